/**
 * What the player is doing, and what it does next. Pure: an event and the time
 * come in, the next state and at most one order come out.
 */

import { backoff } from '../backoff.ts';

export type Trouble =
  /** Frames stopped although the connection stands. */
  | 'frozen'
  /** The connection went away. */
  | 'lost'
  /** Nothing answered. */
  | 'unreachable'
  /** The server answered, but not with a picture. */
  | 'busy'
  /** Neither picture nor error in time. */
  | 'slow';

export type Refusal = 'token' | 'forbidden' | 'browser';

export type PlayerState =
  | { kind: 'idle' }
  /** `after` is why this is not the first try. */
  | { kind: 'connecting'; deadline: number; attempt: number; after: 'start' | 'waiting' | Trouble }
  | { kind: 'live'; since: number; attempt: number }
  | { kind: 'waiting'; retryAt: number; attempt: number }
  | { kind: 'reconnecting'; retryAt: number; attempt: number; why: Trouble }
  | { kind: 'refused'; why: Refusal };

export type PlayerEvent =
  | { kind: 'start' }
  | { kind: 'stop' }
  /** A frame was decoded. */
  | { kind: 'frame' }
  | { kind: 'missing' }
  | { kind: 'refused'; why: Refusal }
  | { kind: 'trouble'; why: Trouble }
  /** There is reason to believe that a try would succeed now. */
  | { kind: 'wake' }
  /** Time has passed. */
  | { kind: 'tick' };

export interface Step {
  state: PlayerState;
  order?: 'open' | 'close';
}

/** From the first request to the first frame. Covers a camera that must be started first. */
export const CONNECT_LIMIT_MS = 10_000;
/** A picture that held this long was a good one: the next trouble starts with a short wait again. */
export const STEADY_MS = 5000;

export function step(state: PlayerState, event: PlayerEvent, now: number, random?: () => number): Step {
  switch (event.kind) {
    case 'start':
      return open('start', 0, now);
    case 'stop':
      return { state: { kind: 'idle' }, order: 'close' };
    case 'frame':
      if (state.kind !== 'connecting') return { state };
      // A camera that had to be waited for is no sign of a bad connection.
      return { state: { kind: 'live', since: now, attempt: state.after === 'waiting' ? 0 : state.attempt } };
    case 'missing': {
      if (state.kind !== 'connecting') return { state };
      const retryAt = now + backoff(state.attempt, random);
      return { state: { kind: 'waiting', retryAt, attempt: state.attempt + 1 }, order: 'close' };
    }
    case 'refused':
      if (state.kind === 'idle') return { state };
      return { state: { kind: 'refused', why: event.why }, order: 'close' };
    case 'trouble': {
      if (state.kind !== 'connecting' && state.kind !== 'live') return { state };
      const attempt = state.kind === 'live' && now - state.since >= STEADY_MS ? 0 : state.attempt;
      const retryAt = now + backoff(attempt, random);
      return { state: { kind: 'reconnecting', retryAt, attempt: attempt + 1, why: event.why }, order: 'close' };
    }
    case 'wake':
      if (state.kind === 'waiting') return open('waiting', 0, now);
      if (state.kind === 'reconnecting') return open(state.why, 0, now);
      return { state };
    case 'tick':
      if ((dueAt(state) ?? Infinity) > now) return { state };
      if (state.kind === 'waiting') return open('waiting', state.attempt, now);
      if (state.kind === 'reconnecting') return open(state.why, state.attempt, now);
      return step(state, { kind: 'trouble', why: 'slow' }, now, random);
  }
}

/** When the state wants its next tick; null when only an event can change it. */
export function dueAt(state: PlayerState): number | null {
  switch (state.kind) {
    case 'connecting':
      return state.deadline;
    case 'waiting':
    case 'reconnecting':
      return state.retryAt;
    default:
      return null;
  }
}

function open(after: 'start' | 'waiting' | Trouble, attempt: number, now: number): Step {
  return { state: { kind: 'connecting', deadline: now + CONNECT_LIMIT_MS, attempt, after }, order: 'open' };
}
