/** The sentences of the page that tell what happened, what is wrong, and what to do about it, in one place. */

import type { Advice } from './box/cameras.ts';

export const PART: Record<string, string> = { mediamtx: 'Media server', cameras: 'Cameras', storage: 'Storage' };

/** What a fault's next action is on this page, where the box names a method of its own. */
export const FAULT_ACTION: Record<string, string> = {
  storage_low: 'Delete recordings under Files, or let an administrator set there what is deleted by itself.',
  offsite_shed:
    'Mend what is wrong with the off-site copy, which an operator finds under Files; let it send more (offsite.bytes_per_second); or record less.',
};

export const UNREACHABLE: Advice = {
  reason: 'The camera box does not answer.',
  action: 'Check that it has power and that this device is in its network. The page goes on asking by itself.',
};

export const STUCK: Advice = {
  reason: 'This recording does not grow: the medium is full, or no picture comes in.',
  action: 'Look at the storage under Files, and at the picture. The recording goes on by itself when it can.',
};

/** Why the time of a recording or a snapshot is a guess. */
export const UNCERTAIN: Advice = {
  reason: "The box's clock had not been set when this was taken, or the service did not see it begin: the time is a guess.",
  action:
    'Let the box reach a time server (NTP); timedatectl on the box shows whether its clock is synchronised. Then the times since the box was last started are corrected by themselves. Older ones stay uncertain.',
};

export const CORRECTED = "The box's clock was wrong when this was taken. This time was computed from when the clock was right.";

/** How far the off-site copy of one file is. */
export const COPIED: Record<string, string> = { waiting: 'waits for its off-site copy', copied: 'copied off-site' };

/** What the off-site copy does. */
export const OFFSITE_STATE: Record<string, { tone: 'good' | 'busy' | 'warn' | 'none'; text: string }> = {
  IDLE: { tone: 'good', text: 'Everything that is to be copied has its copy.' },
  COPYING: { tone: 'busy', text: 'A file is being copied.' },
  RETRYING: { tone: 'warn', text: 'No copies are made now. The store is asked again by itself.' },
  REFUSED: { tone: 'warn', text: 'No copies are made until somebody mends what is wrong.' },
  OUTSIDE_WINDOW: { tone: 'none', text: 'Copies wait for the hours that are set for them (offsite.window).' },
  METERED_LINK: { tone: 'none', text: 'Copies wait while the way out is a metered link (offsite.metered).' },
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
