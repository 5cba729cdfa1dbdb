/** Each state of the player in words. Exactly one word is always on the page. */

import { secondsUntil } from '../format.ts';
import type { PlayerState, Trouble } from './machine.ts';

export interface Words {
  /** Short, for the badge. */
  word: string;
  /** A sentence for the middle of the picture; empty while the picture speaks for itself. */
  sentence: string;
  tone: 'good' | 'busy' | 'bad';
}

const TROUBLE: Record<Trouble, string> = {
  frozen: 'The picture froze.',
  lost: 'The connection to the picture was lost.',
  unreachable: 'The camera box does not answer.',
  busy: 'The camera box cannot send the picture right now.',
  slow: 'No picture arrived in time.',
};

export function words(state: PlayerState, now: number): Words {
  switch (state.kind) {
    case 'idle':
      // Seen for the moment between choosing a camera and asking for it.
      return CONNECTING;
    case 'live':
      return { word: 'Live', sentence: '', tone: 'good' };
    case 'waiting':
      return WAITING;
    case 'reconnecting':
      return {
        word: `Reconnecting in ${secondsUntil(state.retryAt, now)} s`,
        sentence: TROUBLE[state.why],
        tone: 'busy',
      };
    case 'connecting':
      if (state.after === 'start') return CONNECTING;
      // While the camera has nothing to show, each try keeps the same words: a
      // text that flickers between two states tells less than one that stays.
      if (state.after === 'waiting') return WAITING;
      return { word: 'Reconnecting', sentence: TROUBLE[state.after], tone: 'busy' };
    case 'refused':
      return {
        word: 'Refused',
        tone: 'bad',
        sentence: {
          token: 'The token is no longer accepted.',
          forbidden: 'This token may not watch this camera.',
          browser: 'This browser cannot show live pictures (WebRTC is missing). Use the RTSP or HLS address instead.',
        }[state.why],
      };
  }
}

const CONNECTING: Words = { word: 'Connecting', sentence: 'Asking for the picture.', tone: 'busy' };

const WAITING: Words = {
  word: 'Waiting for the camera',
  sentence: 'The camera sends no picture yet. It will appear here by itself.',
  tone: 'busy',
};
