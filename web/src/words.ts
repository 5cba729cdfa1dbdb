/** The sentences of the page that tell what happened, what is wrong, and what to do about it, in one place. */

import type { Advice } from './box/cameras.ts';

export const PART: Record<string, string> = { mediamtx: 'Media server', cameras: 'Cameras', storage: 'Storage' };

/** What a fault's next action is on this page, where the box names a method of its own. */
export const FAULT_ACTION: Record<string, string> = {
  storage_low: 'Delete recordings under Files, or let an administrator set there what is deleted by itself.',
};

export const UNREACHABLE: Advice = {
  reason: 'The camera box does not answer.',
  action: 'Check that it has power and that this device is in its network. The page goes on asking by itself.',
};

export const STUCK: Advice = {
  reason: 'This recording does not grow: the medium is full, or no picture comes in.',
  action: 'Look at the storage under Files, and at the picture. The recording goes on by itself when it can.',
};

/** What a refusal means for whoever pressed a button; a field left out is taken from the box. */
export const REFUSAL: Record<string, Partial<Advice>> = {
  already_recording: { reason: 'This is being recorded already.', action: 'Stop that recording, or let it run.' },
  not_recording: { reason: 'Nothing is being recorded here any more.', action: 'Find what was recorded under Files.' },
  stream_not_ready: {
    reason: 'No picture comes in from this stream.',
    action: 'Check that its source is switched on and that its address is right.',
  },
  rate_limited: { action: 'Wait a moment, then try again.' },
  permission_denied: { action: 'Ask for a token with more rights.' },
};

/** What a refused call means where another part of the box was the reason. */
export const DEPENDENCY: Record<string, Partial<Advice>> = {
  storage: { action: 'Delete recordings under Files, or let an administrator set there what is deleted by itself.' },
};

export const AUDIT_RESULT: Record<string, string> = {
  ok: 'done',
  unknown: 'not known: the caller left',
  lost: 'lines were lost',
};

export const NEVER = 'never';
