import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advice, choose, exactFps, merge } from '../src/box/cameras.ts';
import { refusalSentence } from '../src/box/token.ts';
import type { Camera, CameraStatus } from '../src/rpc/types.ts';

function camera(number: number, status: CameraStatus = 'CONNECTED', extensions?: Camera['extensions']): Camera {
  const device = `camera${number}`;
  const streams = { rtsp: `rtsp://box:8554/${device}`, hls: '' };
  return { device, status, name: device, resolution: '1280x720', fps: 30, streams, ...(extensions && { extensions }) };
}

test('news replaces one camera and leaves the others as they are', () => {
  const [zero, one] = [camera(0), camera(1)];
  const merged = merge([zero, one], camera(1, 'ERROR', { reason: 'No frames.' }));
  assert.equal(merged[0], zero);
  assert.equal(merged[1]!.status, 'ERROR');
});

test('a new camera joins in the order of numbers', () => {
  const merged = merge([camera(2), camera(10)], camera(9));
  assert.deepEqual(merged.map(({ device }) => device), ['camera2', 'camera9', 'camera10']);
});

test('a reason ends with the state it explains; what still holds stays', () => {
  const broken = camera(0, 'ERROR', { reason: 'No frames.' });
  assert.equal(merge([broken], camera(0))[0]!.extensions, undefined);
  const working = camera(0, 'CONNECTED', { fps: 29.97 });
  assert.equal(exactFps(merge([working], camera(0))[0]!), 29.97);
});

test('the camera shown: wanted, else working, else any', () => {
  const cameras = [camera(0, 'ERROR'), camera(1), camera(2)];
  assert.equal(choose(cameras, 'camera2')?.device, 'camera2');
  assert.equal(choose(cameras, 'camera7')?.device, 'camera1');
  assert.equal(choose([camera(0, 'ERROR')], null)?.device, 'camera0');
  assert.equal(choose([], 'camera0'), null);
});

test('advice: the words of the box first, ours where it has none, none when all is well', () => {
  assert.equal(advice(camera(0)), null);
  const told = advice(camera(0, 'ERROR', { reason: 'The lens is on fire.', action: 'Put it out.' }));
  assert.deepEqual(told, { reason: 'The lens is on fire.', action: 'Put it out.' });
  for (const status of ['DISCONNECTED', 'ERROR', 'SOMETHING_NEW'] as CameraStatus[]) {
    const own = advice(camera(0, status));
    assert.ok(own?.reason && own.action, status);
  }
});

test('a refused token is explained as well as the box explains it', () => {
  assert.match(refusalSentence('token_expired'), /expired/);
  assert.match(refusalSentence('token_revoked'), /revoked/);
  assert.match(refusalSentence('bad_signature'), /does not accept/);
  assert.match(refusalSentence(null), /does not accept/);
});
