/** Streams of somebody else, as far as the page watches and lists them. Pure. */

import type { Camera, ExternalStream } from '../rpc/types.ts';

/** An added stream, watched in the same way as a camera; null for one that was only found. */
export function asCamera(stream: ExternalStream): Camera | null {
  const { added, ready, streams } = stream.extensions ?? {};
  if (!added || !streams) return null;
  const camera = { device: stream.name, name: stream.name, resolution: '', fps: 0, streams };
  if (ready) return { ...camera, status: 'CONNECTED' };
  const extensions = {
    reason: 'No picture comes in from its source.',
    action: 'Check that the source is switched on and that its address is right. The box tries again by itself.',
  };
  return { ...camera, status: 'DISCONNECTED', extensions };
}

export function added(streams: readonly ExternalStream[]): ExternalStream[] {
  return streams.filter((stream) => stream.extensions?.added);
}

/** What was found and is not added yet. */
export function found(streams: readonly ExternalStream[]): ExternalStream[] {
  return streams.filter((stream) => !stream.extensions?.added);
}

/** A name the box would take, made of what somebody typed. */
export function tidyName(typed: string): string {
  return typed
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .slice(0, 64);
}
