import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim, isUnclaimed } from '../src/box/claim.ts';
import { FakeSocket } from './fakesocket.ts';

function refusing(reason: string): FakeSocket {
  const socket = new FakeSocket();
  setImmediate(() => {
    socket.open();
    socket.fail(-32001, { reason });
  });
  return socket;
}

test('a box that refuses as unclaimed asks for its code, any other for a token', async () => {
  assert.equal(await isUnclaimed(() => refusing('unclaimed')), true);
  assert.equal(await isUnclaimed(() => refusing('not_authenticated')), false);
});

test('a claim gives the token, or a sentence and whether to try again', async () => {
  const asked: string[] = [];
  const answering = (status: number, body: object, headers = {}) =>
    (async (_: string, { body: sent }: RequestInit) => {
      asked.push(String(sent));
      return new Response(JSON.stringify(body), { status, headers });
    }) as typeof fetch;
  assert.deepEqual(await claim('ABCDE-12345', answering(200, { token: 't' })), { token: 't' });
  assert.deepEqual(asked, ['{"code":"ABCDE-12345"}']);
  const over = async (status: number, headers = {}) => {
    const claimed = await claim('x', answering(status, {}, headers));
    assert.ok('refusal' in claimed);
    return claimed;
  };
  assert.equal((await over(403)).over, false);
  assert.equal((await over(410)).over, true);
  assert.match((await over(429, { 'retry-after': '12' })).refusal, /12 seconds/);
  const lost = await claim('x', (() => Promise.reject(new Error('no route'))) as typeof fetch);
  assert.ok('refusal' in lost && !lost.over);
});
