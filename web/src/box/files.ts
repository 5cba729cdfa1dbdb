/** What a list says of a recording or a snapshot beside its name and size. Pure. */

import type { Filed } from '../rpc/types.ts';
import { COPIED, CORRECTED, UNCERTAIN } from '../words.ts';

/** A word on how well the time of a file is known, and what is behind it; empty where there is nothing to say. */
export interface Timing {
  word: string;
  why: string;
}

export function timing({ extensions }: Filed): Timing {
  if (extensions?.time === 'uncertain') return { word: 'time uncertain', why: `${UNCERTAIN.reason} ${UNCERTAIN.action}` };
  // Right, as far as anybody knows: only for whoever asks.
  return { word: '', why: extensions?.time === 'corrected' ? CORRECTED : '' };
}

/** Whether the list has to explain what an uncertain time is. */
export function anyUncertain(files: readonly Filed[]): boolean {
  return files.some(({ extensions }) => extensions?.time === 'uncertain');
}

/** How far the off-site copy of a file is; empty where none is to be made, or not yet. */
export function copied({ extensions }: Filed): string {
  const { offsite, recording } = extensions ?? {};
  // A copy is made of what is finished.
  return offsite === undefined || recording ? '' : (COPIED[offsite] ?? '');
}
