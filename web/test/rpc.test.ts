import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { RpcClient } from '../src/rpc/client.ts';
import { LinkError, RpcError } from '../src/rpc/errors.ts';
import { FakeSocket } from './fakesocket.ts';

let socket: FakeSocket;
let heard: unknown[];
let client: RpcClient;

beforeEach(() => {
  socket = new FakeSocket();
  heard = [];
  client = new RpcClient(socket, {
    open: () => heard.push('open'),
    closed: () => heard.push('closed'),
    notification: (method, params) => heard.push([method, params]),
  });
});

test('a call is well formed, and leaves out what it has no use for', async () => {
  const call = client.call('get_camera_list');
  assert.deepEqual(socket.sent, [{ jsonrpc: '2.0', id: 1, method: 'get_camera_list' }]);
  socket.answer({ cameras: [], total: 0, connected: 0 });
  assert.deepEqual(await call, { cameras: [], total: 0, connected: 0 });
});

test('answers find their calls in any order', async () => {
  const first = client.call('get_camera_status', { device: 'camera0' });
  const second = client.call('ping');
  socket.receive({ jsonrpc: '2.0', id: 2, result: 'pong' });
  socket.receive({ jsonrpc: '2.0', id: 1, result: { device: 'camera0' } });
  assert.equal(await second, 'pong');
  assert.equal((await first).device, 'camera0');
});

test('an error keeps its code and its data', async () => {
  const call = client.call('get_camera_status', { device: 'camera9' });
  socket.fail(-32010, { reason: 'no_such_camera' });
  await assert.rejects(call, (error: RpcError) => error.code === -32010 && error.reason === 'no_such_camera');
});

test('an error without data does no harm', async () => {
  const call = client.call('ping');
  socket.fail(-32603);
  await assert.rejects(call, (error: RpcError) => error.reason === null);
});

test('a call without an answer ends, and its late answer is ignored', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const call = client.call('ping', undefined, 500);
    mock.timers.tick(500);
    await assert.rejects(call, LinkError);
    socket.answer('pong');
  } finally {
    mock.timers.reset();
  }
});

test('a lost socket ends all calls once, and is told once', async () => {
  const calls = [client.call('ping'), client.call('get_streams')];
  socket.drop();
  socket.drop();
  for (const call of calls) await assert.rejects(call, LinkError);
  assert.deepEqual(heard, ['closed']);
  await assert.rejects(client.call('ping'), LinkError);
});

test('closing is not told to the one who closed', async () => {
  const call = client.call('ping');
  client.close();
  socket.drop();
  await assert.rejects(call, LinkError);
  assert.ok(socket.closed);
  assert.deepEqual(heard, []);
});

test('notifications are handed on; nonsense is not', () => {
  socket.open();
  socket.receive({ jsonrpc: '2.0', method: 'camera_status_update', params: { device: 'camera0' } });
  for (const nonsense of ['{', 'null', '[]', '"x"', '{"id":77,"result":1}', '{"method":"x","id":1}']) {
    socket.receive(nonsense);
  }
  assert.deepEqual(heard, ['open', ['camera_status_update', { device: 'camera0' }]]);
});
