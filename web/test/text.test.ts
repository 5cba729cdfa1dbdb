import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../src/backoff.ts';
import { bitrate, bytes, duration, instant, local, rate, resolution, secondsUntil } from '../src/format.ts';
import { parseFragment, visibleFragment } from '../src/fragment.ts';

test('bytes and bit rates keep two or three digits', () => {
  assert.deepEqual([0, 999, 1000, 9949, 9950, 999_600, 1.5e9, 5e15].map(bytes), [
    '0 B', '999 B', '1.0 kB', '9.9 kB', '10 kB', '1.0 MB', '1.5 GB', '5000 TB',
  ]);
  assert.equal(bitrate(2_140_000), '2.1 Mbit/s');
});

test('durations show the two largest units', () => {
  assert.deepEqual([0, 59.9, 61, 3600, 90_061].map(duration), ['0 s', '59 s', '1 min 1 s', '1 h 0 min', '1 d 1 h']);
  assert.equal(duration(-5), '0 s');
});

test('rates, resolutions, countdowns', () => {
  assert.deepEqual([30, 29.97003, 7.5].map(rate), ['30', '29.97', '7.5']);
  assert.equal(resolution('1920x1080'), '1920 × 1080');
  assert.equal(resolution('unknown'), 'unknown');
  assert.deepEqual([5000, 4001, 1, 0, -10].map((at) => secondsUntil(at, 0)), [5, 5, 1, 1, 1]);
});

test("a field's moment is this device's time and comes back as it was", () => {
  const at = Date.UTC(2026, 10, 21, 10, 15, 7);
  assert.match(local(at), /^2026-11-2[12]T\d\d:\d\d:07$/);
  assert.equal(instant(local(at)), '2026-11-21T10:15:07.000Z');
  assert.equal(instant(''), '');
});

test('the fragment gives token and camera', () => {
  assert.deepEqual(parseFragment('#token=a.b-c_d&camera=camera1'), { token: 'a.b-c_d', camera: 'camera1' });
  assert.deepEqual(parseFragment('#camera=camera2'), { token: null, camera: 'camera2' });
  assert.deepEqual(parseFragment('#token='), { token: null, camera: null });
  assert.deepEqual(parseFragment(''), { token: null, camera: null });
});

test('the token never comes back into the address', () => {
  assert.equal(visibleFragment('camera1'), '#camera=camera1');
  assert.equal(visibleFragment('a&token=x'), '#camera=a%26token%3Dx');
  assert.equal(visibleFragment(null), '');
});

test('backoff doubles from 0.25 s to 4 s, less at most a fifth', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1e6].map((n) => backoff(n, () => 0)), [250, 500, 1000, 2000, 4000, 4000, 4000]);
  assert.equal(backoff(0, () => 1), 200);
});
