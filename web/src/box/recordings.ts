/** Which cameras and streams are recorded now, and since when by this device's clock. Pure. */

import type { Filed, RecordingUpdate } from '../rpc/types.ts';

/** The start by camera or stream. */
export type Running = Readonly<Record<string, number>>;

/** Takes in a piece of news. A fault (`ERROR`) does not end a recording. */
export function heard(running: Running, update: RecordingUpdate, now: number): Running {
  const { [update.device]: since, ...others } = running;
  if (update.status === 'STARTED') return { ...others, [update.device]: now - update.duration * 1000 };
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
