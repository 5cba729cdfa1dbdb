import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { RpcError } from '../src/rpc/errors.ts';
import { Link, type LinkState } from '../src/rpc/link.ts';
import { FakeSocket, settle } from './fakesocket.ts';

let sockets: FakeSocket[];
let states: LinkState[];
let heard: string[];
let link: Link;

const AUTH = { authenticated: true, role: 'viewer', permissions: ['view'], expires_at: '', session_id: '' };

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  sockets = [];
  states = [];
  heard = [];
  link = new Link(
    () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    'secret',
    { state: (state) => states.push(state), notification: (method) => heard.push(method) },
  );
});

afterEach(() => mock.timers.reset());

const last = (): FakeSocket => sockets.at(-1)!;
const kind = (): string => states.at(-1)!.kind;

async function signIn(): Promise<void> {
  last().open();
  last().answer(AUTH);
  await settle();
}

test('signs in with the token, and is ready', async () => {
  link.start();
  last().open();
  assert.deepEqual(last().sent[0], { jsonrpc: '2.0', id: 1, method: 'authenticate', params: { auth_token: 'secret' } });
  last().answer(AUTH);
  await settle();
  assert.deepEqual(states.map((state) => state.kind), ['connecting', 'ready']);
});

test('a refused token ends it: no further try', async () => {
  link.start();
  last().open();
  last().fail(-32001, { reason: 'token_expired' });
  await settle();
  assert.deepEqual(states.at(-1), { kind: 'refused', reason: 'token_expired' });
  assert.ok(last().closed);
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 1);
});

test('a lost connection comes back, with longer waits while it fails and short ones after it held', async () => {
  link.start();
  await signIn();
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    last().drop();
    const state = states.at(-1)!;
    assert.equal(state.kind, 'retrying');
    const wait = state.kind === 'retrying' ? state.at - Date.now() : 0;
    waits.push(wait);
    mock.timers.tick(wait);
    assert.equal(sockets.length, i + 2);
  }
  waits.forEach((wait, i) => {
    const longest = Math.min(4000, 250 * 2 ** i);
    assert.ok(wait <= longest && wait >= longest * 0.8 - 1, `wait ${i}: ${wait}`);
  });
  await signIn();
  last().drop();
  const state = states.at(-1)!;
  assert.ok(state.kind === 'retrying' && state.at - Date.now() <= 250);
});

test('a socket that never opens is given up', () => {
  link.start();
  mock.timers.tick(8000);
  assert.equal(kind(), 'retrying');
  assert.ok(sockets[0]!.closed);
});

test('a silent server is noticed by an unanswered ping', async () => {
  link.start();
  await signIn();
  mock.timers.tick(10_000);
  assert.equal(last().sent.at(-1)!.method, 'ping');
  mock.timers.tick(5000);
  await settle();
  assert.equal(kind(), 'retrying');
});

test('an answered ping keeps it, even when the answer is an error', async () => {
  link.start();
  await signIn();
  for (let i = 0; i < 3; i++) {
    mock.timers.tick(10_000);
    if (i === 1) last().fail(-32040);
    else last().answer('pong');
    await settle();
  }
  assert.equal(kind(), 'ready');
  assert.equal(last().sent.filter(({ method }) => method === 'ping').length, 3);
});

test('an expired token is noticed by any call', async () => {
  link.start();
  await signIn();
  const call = link.call('get_camera_list', undefined);
  last().fail(-32001, { reason: 'token_expired' });
  await assert.rejects(call, RpcError);
  assert.deepEqual(states.at(-1), { kind: 'refused', reason: 'token_expired' });
});

test('any other error of a call leaves the link alone', async () => {
  link.start();
  await signIn();
  const call = link.call('get_camera_status', { device: 'camera9' });
  last().fail(-32010);
  await assert.rejects(call, RpcError);
  assert.equal(kind(), 'ready');
});

test('waking skips the wait, and only a wait', async () => {
  link.start();
  link.wake();
  assert.equal(sockets.length, 1);
  last().drop();
  link.wake();
  assert.equal(sockets.length, 2);
  mock.timers.tick(4000);
  assert.equal(sockets.length, 2);
});

test('news is heard only when signed in, and never from an old socket', async () => {
  const news = { jsonrpc: '2.0', method: 'camera_status_update', params: {} };
  link.start();
  last().open();
  last().receive(news);
  assert.deepEqual(heard, []);
  last().answer(AUTH);
  await settle();
  last().receive(news);
  const old = last();
  old.drop();
  link.wake();
  await signIn();
  old.receive(news);
  assert.deepEqual(heard, ['camera_status_update']);
});

test('stopped is stopped', async () => {
  link.start();
  await signIn();
  link.stop();
  mock.timers.tick(60_000);
  assert.equal(kind(), 'ended');
  assert.equal(sockets.length, 1);
  await assert.rejects(link.call('ping', undefined));
});
