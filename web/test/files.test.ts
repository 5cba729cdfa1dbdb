import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyUncertain, copied, timing } from '../src/box/files.ts';
import type { Filed } from '../src/rpc/types.ts';

function file(extensions?: NonNullable<Filed['extensions']>): Filed {
  return { filename: 'party', download_url: '', file_size: 1, modified_time: '1970-01-01T00:01:07.000Z', ...(extensions && { extensions }) };
}

test('a time that is a guess is called so, with why and what to do; one that was corrected only says so when asked', () => {
  const guess = timing(file({ time: 'uncertain' }));
  assert.equal(guess.word, 'time uncertain');
  assert.match(guess.why, /clock had not been set.*time server \(NTP\)/);
  const corrected = timing(file({ time: 'corrected' }));
  assert.equal(corrected.word, '');
  assert.match(corrected.why, /clock was wrong.*computed/);
  for (const other of [file({ time: 'exact' }), file({}), file()]) assert.deepEqual(timing(other), { word: '', why: '' });
});

test('the explanation stands beneath a list only when a row needs it, be it of recordings or of snapshots', () => {
  assert.ok(anyUncertain([file({ time: 'exact' }), file({ device: 'camera0', time: 'uncertain' })]));
  assert.ok(!anyUncertain([file({ time: 'exact' }), file({ time: 'corrected' }), file()]));
  assert.ok(!anyUncertain([]));
});

test('a recording says whether it has its off-site copy, where one is to be made and it is finished', () => {
  assert.equal(copied(file({ offsite: 'copied' })), 'copied off-site');
  assert.equal(copied(file({ offsite: 'waiting', recording: false })), 'waits for its off-site copy');
  assert.equal(copied(file({ offsite: 'waiting', recording: true })), '', 'what runs is not late');
  assert.equal(copied(file({ offsite: 'none' })), '');
  assert.equal(copied(file()), '', 'a snapshot, or another box');
});
