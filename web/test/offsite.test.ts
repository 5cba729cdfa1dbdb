import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copies, copiesFail } from '../src/box/offsite.ts';
import { moment } from '../src/format.ts';
import type { OffsiteStatus } from '../src/rpc/types.ts';

const AT = '2026-11-21T10:15:07.000Z';
const LATER = '2026-11-21T10:20:07.000Z';

/** A box that copies well and has nothing to do. */
function status(other: Partial<OffsiteStatus> = {}): OffsiteStatus {
  return {
    configured: true,
    state: 'IDLE',
    store: 'cameras/barn at https://store.example',
    waiting_files: 0,
    waiting_bytes: 0,
    copied_files: 7,
    sent_bytes: 4_000_000,
    bytes_per_second: 0,
    current: null,
    last_success: AT,
    last_error: null,
    failures_in_a_row: 0,
    next_try: null,
    keep_until_copied: true,
    deleted_without_copy: 0,
    ...other,
  };
}

const REFUSED = {
  time: AT,
  code: 'no_bucket',
  cause: 'there is no such bucket (HTTP 404, NoSuchBucket)',
  action: 'check offsite.endpoint, offsite.region and offsite.bucket',
  lasts: true,
};

test('without a store there is nothing to show', () => {
  assert.equal(copies({ configured: false, state: 'OFF' }), null);
});

test('a box that has copied everything says so, and since when', () => {
  assert.deepEqual(copies(status()), {
    tone: 'good',
    state: 'Everything that is to be copied has its copy.',
    store: 'cameras/barn at https://store.example',
    waiting: 'nothing',
    now: '',
    lastCopy: `${moment(AT)} · 7 files since the service was started`,
    nextTry: '',
    lastTrouble: '',
    trouble: null,
    lost: '',
  });
  assert.equal(copies(status({ last_success: null }))!.lastCopy, 'none since the service was started');
});

test('what is under way is named without its folders, with how far it is and how fast', () => {
  const current = { object: 'barn/recordings/camera0/party.mp4', bytes: 20_000_000, stored_bytes: 5_000_000 };
  const shown = copies(status({ state: 'COPYING', current, bytes_per_second: 500_000, waiting_files: 3, waiting_bytes: 90_000_000 }))!;
  assert.deepEqual([shown.tone, shown.state], ['busy', 'A file is being copied.']);
  assert.equal(shown.now, 'party.mp4 · 5.0 MB of 20 MB · 500 kB/s');
  assert.equal(shown.waiting, '3 files · 90 MB');
  const between = copies(status({ state: 'COPYING', waiting_files: 1, waiting_bytes: 5 }))!;
  assert.equal(between.waiting, '1 file · 5 B');
  assert.doesNotMatch(between.state, /being copied/, 'nothing is, at this moment');
});

test('what somebody must mend is told with its cause, the next action and the next attempt', () => {
  const shown = copies(status({ state: 'REFUSED', last_error: REFUSED, failures_in_a_row: 4, next_try: LATER, waiting_files: 2 }))!;
  assert.equal(shown.tone, 'warn');
  assert.match(shown.state, /until somebody mends/);
  assert.deepEqual(shown.trouble, {
    reason: 'There is no such bucket (HTTP 404, NoSuchBucket).',
    action: 'Check offsite.endpoint, offsite.region and offsite.bucket.',
  });
  assert.equal(shown.lastTrouble, `${moment(AT)} · 4 in a row`);
  assert.equal(shown.nextTry, moment(LATER));
});

test('a trouble with one file is told although the others are copied', () => {
  const shown = copies(status({ state: 'COPYING', last_error: { ...REFUSED, cause: 'a file cannot be read: input/output error' }, waiting_files: 1 }))!;
  assert.equal(shown.tone, 'warn');
  assert.match(shown.trouble!.reason, /cannot be read/);
});

test('a trouble that is over asks for nothing any more, and is remembered', () => {
  const shown = copies(status({ last_error: { ...REFUSED, lasts: false } }))!;
  assert.equal(shown.tone, 'good');
  assert.equal(shown.trouble, null);
  assert.equal(shown.lastTrouble, `${moment(AT)}, over now: ${REFUSED.cause}`);
});

test('waiting as configured is no trouble; a word of a newer box is shown as it is', () => {
  const waits = (['OUTSIDE_WINDOW', 'METERED_LINK'] as const).map((state) => copies(status({ state, waiting_files: 1 }))!);
  assert.deepEqual(waits.map(({ tone, trouble }) => [tone, trouble]), [['none', null], ['none', null]]);
  assert.ok(waits[0]!.state.includes('offsite.window') && waits[1]!.state.includes('offsite.metered'));
  assert.equal(copies(status({ state: 'RESTING' as 'IDLE' }))!.state, 'RESTING');
});

test('files that went without a copy are counted', () => {
  assert.match(copies(status({ deleted_without_copy: 2 }))!.lost, /2 files since the service was started/);
  assert.equal(copies({ configured: true, state: 'IDLE' })!.lost, '', 'a box that tells less breaks nothing');
});

test('health tells when what was heard of the copies is old', () => {
  const fault = { code: 'offsite_failing', about: 'storage', cause: '', action: '', bad: false, seconds: null };
  const report = { word: 'degraded', version: '', uptime: 0, notes: [], parts: [], space: null } as const;
  assert.ok(copiesFail({ ...report, faults: [fault] }));
  assert.ok(!copiesFail({ ...report, faults: [{ ...fault, code: 'storage_low' }] }));
  assert.ok(!copiesFail({ word: 'unknown' }));
});
