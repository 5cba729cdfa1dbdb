/** What can be set on a camera: how each thing is drawn, and what an answer or a refusal means. Pure. */

import type { CameraControl, Role } from '../rpc/types.ts';

export function mayControl(role: Role | null): boolean {
  return role === 'operator' || role === 'admin';
}

export type Widget =
  | { kind: 'switch'; on: boolean }
  | { kind: 'slider'; min: number; max: number; step: number; value: number }
  | { kind: 'number'; min: number; max: number; value: number }
  | { kind: 'menu'; items: readonly { value: number; name: string }[]; value: number }
  | { kind: 'button' };

/** A slider with more stops than this cannot be set by hand. */
const STOPS = 10_000;

/** How a control is drawn; null for what a newer box may send and this page does not know. */
export function widget(control: CameraControl): Widget | null {
  const { type, value, min, max, step } = control;
  if (type === 'button') return { kind: 'button' };
  if (type === 'boolean') return { kind: 'switch', on: value === true };
  if (typeof value !== 'number') return null;
  if (type === 'menu') return control.menu?.length ? { kind: 'menu', items: control.menu, value } : null;
  if (type !== 'integer' || min === undefined || max === undefined) return null;
  const apart = Math.max(step ?? 1, 1);
  if ((max - min) / apart > STOPS) return { kind: 'number', min, max, value };
  return { kind: 'slider', min, max, step: apart, value };
}

/** Why a control cannot be used now; null when it can. */
export function locked(control: CameraControl): string | null {
  if (control.read_only) return 'fixed';
  return control.inactive ? 'automatic' : null;
}

/** The list after some of its controls were set. */
export function renew(list: readonly CameraControl[], set: readonly CameraControl[]): CameraControl[] {
  return list.map((known) => set.find(({ name }) => name === known.name) ?? known);
}

/** Whether setting this may have freed or locked others, so that all must be asked for again. */
export function movesOthers(control: CameraControl): boolean {
  return control.type !== 'integer';
}

const BITRATES = [250, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 12_000, 16_000, 20_000];

/** The stops of the bit rate's slider in kbit/s; the present one is always among them. */
export function bitrateStops(now: number): number[] {
  return [...new Set([...BITRATES, now])].sort((a, b) => a - b);
}

/** What a camera offers, with what it has now, which need not be among that. */
export function choices<T>(offered: readonly T[], now: T): T[] {
  return offered.includes(now) ? [...offered] : [now, ...offered];
}
