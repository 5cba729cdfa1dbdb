/** The list of cameras and how news about one of them changes it. Pure. */

import type { Camera, CameraStatus } from '../rpc/types.ts';

/** Takes in one camera's new state; a camera not heard of before joins the list. */
export function merge(cameras: readonly Camera[], news: Camera): Camera[] {
  const known = cameras.find((camera) => camera.device === news.device);
  if (!known) return [...cameras, news].sort(byNumber);
  const merged: Camera = { ...known, ...news };
  // What was added about an earlier state (its reason, say) does not hold for a new one.
  if (!news.extensions && news.status !== known.status) delete merged.extensions;
  return cameras.map((camera) => (camera === known ? merged : camera));
}

/** The camera to show: the one asked for, else the first that works, else the first. */
export function choose(cameras: readonly Camera[], wanted: string | null): Camera | null {
  return (
    cameras.find((camera) => camera.device === wanted) ??
    cameras.find((camera) => camera.status === 'CONNECTED') ??
    cameras[0] ??
    null
  );
}

function byNumber(a: Camera, b: Camera): number {
  return a.device.localeCompare(b.device, 'en', { numeric: true });
}

export interface Advice {
  reason: string;
  action: string;
}

const ADVICE: Record<Exclude<CameraStatus, 'CONNECTED'>, Advice> = {
  DISCONNECTED: {
    reason: 'The camera is not there.',
    action: 'Check its cable, or plug it in again. The picture comes back by itself.',
  },
  ERROR: {
    reason: 'The camera is there, but does not work.',
    action: 'Unplug the camera and plug it in again. If that does not help, the log of the box says more: journalctl -u camera-service',
  },
};

/** Why a camera shows nothing and what to do; null while it works. */
export function advice(camera: Camera): Advice | null {
  if (camera.status === 'CONNECTED') return null;
  const fallback = ADVICE[camera.status] ?? ADVICE.ERROR;
  return {
    reason: camera.extensions?.reason || fallback.reason,
    action: camera.extensions?.action || fallback.action,
  };
}

export function exactFps(camera: Camera): number {
  return camera.extensions?.fps ?? camera.fps;
}
