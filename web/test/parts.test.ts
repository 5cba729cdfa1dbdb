import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLook } from '../src/box/audit.ts';
import { explain } from '../src/box/explain.ts';
import { added, asCamera, found, tidyName } from '../src/box/external.ts';
import { keep, tell, TOPICS, type Happening } from '../src/box/feed.ts';
import { begun, growing, grown, heard, isUpdate, type Running } from '../src/box/recordings.ts';
import { RpcError } from '../src/rpc/errors.ts';
import type { ExternalStream, RecordingUpdate } from '../src/rpc/types.ts';

test('an event is told in words, with what to do where there is something', () => {
  const gone = tell('camera.status_change', {
    device: 'camera2',
    name: 'Desk camera',
    status: 'ERROR',
    reason: 'it could not be opened',
    action: 'unplug it and plug it in again',
    timestamp: '2026-03-01T08:15:30.123Z',
  });
  assert.deepEqual(gone, {
    text: 'Desk camera does not work: it could not be opened.',
    tone: 'bad',
    at: '2026-03-01T08:15:30.123Z',
    action: 'Unplug it and plug it in again.',
  });
  const stop = tell('recording.stop', { device: 'camera0', filename: 'party', duration: 61.5 });
  assert.equal(stop!.text, 'The recording party of camera0 ended after 1 min 1 s.');
});

test('what to do about a fault is told in words of the page here, too', () => {
  const full = tell('system.health', { status: 'DEGRADED', code: 'storage_low', reason: 'only 3 % is free', action: 'call set_retention_policy' });
  assert.equal(full!.text, 'The box is degraded: only 3 % is free.');
  assert.doesNotMatch(full!.action, /_/);
});

test('trouble with copies or with the medium is not told as a part that starts again', () => {
  const told = (component: string, code: string) =>
    tell('system.error', { component, code, reason: 'there is no such bucket', action: 'ask get_offsite_status' })!;
  assert.equal(told('offsite', 'no_bucket').text, 'The off-site copy has trouble: there is no such bucket.');
  assert.equal(told('storage', 'storage_gone').text, 'The storage has trouble: there is no such bucket.');
  assert.match(told('rpc', '').text, /^A part failed and starts again/);
  const shed = told('offsite', 'offsite_shed');
  assert.match(shed.action, /under Files/, 'people are sent to the page, not to a method');
});

test('every topic that is subscribed to has words, but for the two that only move something', () => {
  const silent = TOPICS.filter((topic) => tell(topic, {}) === null);
  assert.deepEqual(silent, ['recording.progress', 'mediamtx.path']);
  assert.equal(tell('anything.new', {}), null);
  assert.equal(tell('camera.status_change', null)?.tone, 'bad', 'nonsense breaks nothing');
});

test('the feed is newest first and bounded', () => {
  let feed: Happening[] = [];
  for (let i = 0; i < 250; i++) feed = keep(feed, { at: '', text: String(i), tone: 'good', action: '' });
  assert.equal(feed.length, 100);
  assert.deepEqual([feed[0]!.text, feed[99]!.text], ['249', '150']);
  assert.equal(new Set(feed.map(({ id }) => id)).size, 100);
});

test('what is recorded follows the news; a fault does not end a recording, its end does', () => {
  const say = (status: RecordingUpdate['status'], duration = 0): RecordingUpdate => ({ device: 'camera0', filename: 'f', duration, status });
  let running: Running = heard({}, say('STARTED'), 1000);
  assert.deepEqual(running, { camera0: begun(1000) });
  running = heard(running, say('ERROR'), 2000);
  assert.deepEqual(running, { camera0: begun(1000) });
  assert.deepEqual(heard(running, say('STOPPED', 5), 6000), {});
  assert.deepEqual(heard({}, say('FAILED'), 6000), {});
  assert.deepEqual(heard({}, say('ERROR'), 6000), {}, 'a fault of a recording that ended begins none');
  assert.ok(isUpdate(say('STARTED')) && !isUpdate(null) && !isUpdate({ device: 7 }));
});

test('a recording that does not grow is noticed, and forgiven when it does', () => {
  const at = (running: Running, file_size: number) => grown(running, { device: 'camera0', file_size });
  let running = at({ camera0: begun(0) }, 500);
  assert.equal(running['camera0']!.stuck, false, 'one size tells nothing');
  running = at(running, 500);
  assert.equal(running['camera0']!.stuck, true);
  assert.equal(at(running, 900)['camera0']!.stuck, false);
  assert.deepEqual(grown({}, { device: 'camera0', file_size: 1 }), {}, 'no recording is made of its progress');
});

test('of the files, those that grow are found, one of each camera', () => {
  const file = (filename: string, device: string, recording: boolean) => ({
    filename, download_url: '', file_size: 1, modified_time: '', extensions: { device, recording },
  });
  assert.deepEqual(growing([file('a-2', 'camera0', true), file('a', 'camera0', true), file('b', 'camera1', false)]), [
    { device: 'camera0', filename: 'a-2' },
  ]);
  assert.deepEqual(growing([{ filename: 'x', download_url: '', file_size: 1, modified_time: '' }]), []);
});

function stream(extensions: Partial<ExternalStream['extensions']>): ExternalStream {
  const streams = { rtsp: 'rtsp://box/drone-1', hls: '', webrtc: '' };
  return { name: 'drone-1', url: 'rtsp://10.0.0.9/x', extensions: { added: true, streams, ...extensions } } as ExternalStream;
}

test('an added stream is watched like a camera; one that was only found is not', () => {
  assert.equal(asCamera(stream({ ready: true }))?.status, 'CONNECTED');
  const away = asCamera(stream({ ready: false }));
  assert.equal(away?.status, 'DISCONNECTED');
  assert.ok(away?.extensions?.reason && away.extensions.action);
  const one = stream({ added: false });
  assert.equal(asCamera(one), null);
  assert.deepEqual([added([one]), found([one])], [[], [one]]);
});

test('whatever is typed becomes a name that the box takes', () => {
  assert.equal(tidyName('Front Door!'), 'front-door-');
  assert.equal(tidyName('x'.repeat(99)).length, 64);
});

test('a refusal sends people to the page, not to a method', () => {
  const busy = explain(new RpcError(-32020, 'Invalid state', { reason: 'already_recording', suggestion: 'call stop_recording first' }));
  assert.doesNotMatch(busy.reason + busy.action, /_/);
  const full = explain(new RpcError(-32050, 'Dependency failed', { dependency: 'storage', details: 'the storage is 93 % full', suggestion: 'set_retention_policy' }));
  assert.deepEqual(full.reason, 'The storage is 93 % full.');
  assert.match(full.action, /under Files/);
});

test('the audit log hides answered questions, never a refusal', () => {
  assert.ok(isLook({ method: 'get_status', result: 'ok' }));
  assert.ok(!isLook({ method: 'get_status', result: '-32002' }));
  assert.ok(!isLook({ method: 'set_video', result: 'ok' }));
});
