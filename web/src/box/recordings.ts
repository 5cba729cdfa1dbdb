/** Which cameras and streams are recorded now, and since when by this device's clock. Pure. */

import type { Filed, RecordingUpdate } from '../rpc/types.ts';

export interface Recording {
  since: number;
  /** Bytes, as last told; null before. */
  size: number | null;
  /** It has not grown from one telling to the next, ten seconds later. */
  stuck: boolean;
}

/** By camera or stream. */
export type Running = Readonly<Record<string, Recording>>;

export function begun(since: number): Recording {
  return { since, size: null, stuck: false };
}

/** Takes in how large a recording is: one that does not grow is told before somebody misses it. */
export function grown(running: Running, progress: unknown): Running {
  const { device, file_size } = (progress ?? {}) as { device?: unknown; file_size?: unknown };
  const known = typeof device === 'string' ? running[device] : undefined;
  if (!known || typeof file_size !== 'number') return running;
  return { ...running, [device as string]: { ...known, size: file_size, stuck: known.size === file_size } };
}

/** Takes in a piece of news. A fault (`ERROR`) does not end a recording. */
export function heard(running: Running, update: RecordingUpdate, now: number): Running {
  const { [update.device]: since, ...others } = running;
  if (update.status === 'STARTED') return { ...others, [update.device]: begun(now - update.duration * 1000) };
  if (update.status === 'ERROR' && since !== undefined) return running;
  return others;
}

/** The files among these that grow now, one of each camera. */
export function growing(files: readonly Filed[]): { device: string; filename: string }[] {
  const found = new Map<string, string>();
  for (const { filename, extensions } of files) {
    if (extensions?.recording && extensions.device && !found.has(extensions.device)) found.set(extensions.device, filename);
  }
  return [...found].map(([device, filename]) => ({ device, filename }));
}

export function isUpdate(value: unknown): value is RecordingUpdate {
  const { device, status, duration } = (value ?? {}) as Partial<RecordingUpdate>;
  return typeof device === 'string' && typeof status === 'string' && typeof duration === 'number';
}
