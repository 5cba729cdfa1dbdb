import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHealth } from '../src/box/health.ts';

const told = {
  status: 'unhealthy',
  version: '1.2.3',
  timestamp: '2026-09-21T14:13:20.000Z',
  metrics: { uptime_seconds: 61 },
  components: [
    { name: 'mediamtx', status: 'unhealthy', message: 'the process of MediaMTX has ended', details: {} },
    { name: 'storage', status: 'degraded', message: 'only 7.0 % of the storage is free', details: { total_bytes: 1000, available_bytes: 70, free_percent: 7 } },
  ],
  extensions: {
    faults: [
      { code: 'storage_low', component: 'storage', status: 'degraded', cause: 'only 7.0 % of the storage is free', action: 'call set_retention_policy' },
      {
        code: 'camera_frozen',
        component: 'cameras',
        device: 'camera2',
        status: 'unhealthy',
        since: '2026-09-21T14:12:50.000Z',
        cause: 'no frame for 30.0 s although the stream is on',
        action: 'unplug the camera and plug it in again',
      },
    ],
    notes: ['the configuration was refused', 7],
  },
};

test('what is wrong is told with cause, age and next action, the worst first', () => {
  const health = readHealth(told);
  assert.ok('faults' in health);
  assert.deepEqual(health.faults.map(({ code, about, bad }) => [code, about, bad]), [
    ['camera_frozen', 'camera2', true],
    ['storage_low', 'storage', false],
  ]);
  const [frozen, low] = health.faults;
  assert.equal(frozen!.seconds, 30, "by the box's clock alone: this device's may be wrong");
  assert.equal(frozen!.cause, 'No frame for 30.0 s although the stream is on.');
  assert.equal(frozen!.action, 'Unplug the camera and plug it in again.');
  assert.equal(low!.seconds, null);
  assert.match(low!.action, /under Files/, 'people are sent to the page, not to a method');
  assert.deepEqual(health.notes, ['The configuration was refused.']);
  assert.equal(health.uptime, 61);
});

test('the room on the medium comes with it, for everybody', () => {
  const health = readHealth(told);
  assert.ok('space' in health);
  assert.deepEqual(health.space, { total: 1000, free: 70, usedPercent: 93 });
});

test('an older box, and what is no box at all, break nothing', () => {
  const older = readHealth({ status: 'degraded', version: '1.0.0' });
  assert.ok('faults' in older);
  assert.deepEqual([older.word, older.faults, older.notes, older.space], ['degraded', [], [], null]);
  for (const odd of [null, undefined, 7, 'healthy', {}, { status: 'fine' }]) {
    assert.deepEqual(readHealth(odd), { word: 'unknown' });
  }
});
