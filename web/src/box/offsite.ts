/** How the off-site copy is, as the page shows it. Pure. */

import { bytes, moment } from '../format.ts';
import type { OffsiteStatus } from '../rpc/types.ts';
import { OFFSITE_STATE } from '../words.ts';
import type { Advice } from './cameras.ts';
import type { Health } from './health.ts';
import { sentence } from './sentence.ts';

/** Empty: nothing to say there. */
export interface Copies {
  tone: 'good' | 'busy' | 'warn' | 'none';
  state: string;
  store: string;
  waiting: string;
  /** What is under way, and how fast. */
  now: string;
  lastCopy: string;
  nextTry: string;
  /** When something failed last; what it was, where that is over. */
  lastTrouble: string;
  /** What is wrong now. */
  trouble: Advice | null;
  /** Files that went without a copy. */
  lost: string;
}

/** Null: no store is configured, so there is nothing to show. */
export function copies(status: OffsiteStatus): Copies | null {
  if (!status.configured) return null;
  const { state, current, last_error: error, deleted_without_copy: lost } = status;
  const known = OFFSITE_STATE[state];
  const lasts = error?.lasts === true;
  return {
    // A word of a newer box is shown as it is.
    state: state === 'COPYING' && !current ? 'The next file is copied by itself.' : (known?.text ?? state),
    tone: lasts ? 'warn' : (known?.tone ?? 'none'),
    store: status.store ?? '',
    waiting: status.waiting_files ? `${files(status.waiting_files)} · ${bytes(status.waiting_bytes ?? 0)}` : 'nothing',
    now: underWay(status),
    lastCopy: lastCopy(status),
    nextTry: status.next_try ? moment(status.next_try) : '',
    lastTrouble: error ? (lasts ? failing(error.time, status.failures_in_a_row) : `${moment(error.time)}, over now: ${error.cause}`) : '',
    trouble: error && lasts ? { reason: sentence(error.cause), action: sentence(error.action) } : null,
    lost: lost
      ? `Deleted before copied, because the medium was full: ${files(lost)} since the service was started.`
      : '',
  };
}

/** Whether health says that copies fail: when that changes, what was heard before is old. */
export function copiesFail(health: Health): boolean {
  return 'faults' in health && health.faults.some(({ code }) => code === 'offsite_failing');
}

function underWay({ current, bytes_per_second: rate }: OffsiteStatus): string {
  if (!current) return '';
  const name = current.object.split('/').at(-1);
  return `${name} · ${bytes(current.stored_bytes)} of ${bytes(current.bytes)}${rate ? ` · ${bytes(rate)}/s` : ''}`;
}

function lastCopy({ last_success: at, copied_files: count }: OffsiteStatus): string {
  if (!at) return 'none since the service was started';
  return moment(at) + (count ? ` · ${files(count)} since the service was started` : '');
}

function failing(at: string, inARow = 0): string {
  return moment(at) + (inARow > 1 ? ` · ${inARow} in a row` : '');
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}
