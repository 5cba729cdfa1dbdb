import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WhepHttp, type Offered } from '../src/whep/http.ts';
import { offerKeys, trickleFragment } from '../src/whep/trickle.ts';

const ORIGIN = 'http://box:8003';

function fake(answer: () => Response) {
  const asked: { input: string; init: RequestInit }[] = [];
  const http = new WhepHttp(
    async (input, init) => {
      asked.push({ input, init });
      return answer();
    },
    'secret',
    ORIGIN,
  );
  return { http, asked };
}

const offer = (http: WhepHttp): Promise<Offered> => http.offer('camera0', 'v=0', new AbortController().signal);

test('the offer carries the token and its type', async () => {
  const { http, asked } = fake(() => new Response('answer', { status: 201, headers: { Location: '/whep/camera0/abc' } }));
  assert.deepEqual(await offer(http), { kind: 'answer', sdp: 'answer', resource: '/whep/camera0/abc' });
  assert.equal(asked[0]!.input, '/whep/camera0');
  assert.equal(asked[0]!.init.method, 'POST');
  assert.deepEqual(asked[0]!.init.headers, { Authorization: 'Bearer secret', 'Content-Type': 'application/sdp' });
});

test('a resource at another origin is not followed: it would be given the token', async () => {
  const locations: [string, string | null][] = [
    ['/whep/camera0/abc', '/whep/camera0/abc'],
    ['http://box:8003/whep/camera0/abc', '/whep/camera0/abc'],
    ['http://elsewhere/whep/camera0/abc', null],
    ['//elsewhere/abc', null],
    ['http://[', null],
  ];
  for (const [location, resource] of locations) {
    const { http } = fake(() => new Response('answer', { status: 201, headers: { Location: location } }));
    assert.deepEqual(await offer(http), { kind: 'answer', sdp: 'answer', resource }, location);
  }
});

test('each refusal has its meaning', async () => {
  const meanings: [number, Offered][] = [
    [404, { kind: 'missing' }],
    [401, { kind: 'refused', status: 401 }],
    [403, { kind: 'refused', status: 403 }],
    [429, { kind: 'busy', status: 429 }],
    [502, { kind: 'busy', status: 502 }],
    [200, { kind: 'busy', status: 200 }],
  ];
  for (const [status, meaning] of meanings) {
    assert.deepEqual(await offer(fake(() => new Response('', { status })).http), meaning);
  }
});

test('a box that does not answer is not an exception', async () => {
  const { http } = fake(() => {
    throw new TypeError('failed to fetch');
  });
  assert.deepEqual(await offer(http), { kind: 'unreachable' });
  await http.trickle('/whep/camera0/abc', '');
  await http.end('/whep/camera0/abc');
});

test('ending outlives the page', async () => {
  const { http, asked } = fake(() => new Response(null, { status: 200 }));
  await http.end('/whep/camera0/abc');
  assert.equal(asked[0]!.init.method, 'DELETE');
  assert.equal(asked[0]!.init.keepalive, true);
});

const SDP = [
  'v=0',
  'a=group:BUNDLE v a',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=ice-ufrag:uf',
  'a=ice-pwd:pw',
  'a=mid:v',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:uf',
  'a=ice-pwd:pw',
  'a=mid:a',
  '',
].join('\r\n');

test('the keys of an offer', () => {
  assert.deepEqual(offerKeys(SDP), {
    ufrag: 'uf',
    pwd: 'pw',
    media: [
      { line: 'm=video 9 UDP/TLS/RTP/SAVPF 96', mid: 'v' },
      { line: 'm=audio 9 UDP/TLS/RTP/SAVPF 111', mid: 'a' },
    ],
  });
});

test('late candidates go under their own media line', () => {
  const fragment = trickleFragment(offerKeys(SDP), [
    { candidate: 'candidate:1 1 udp 1 10.0.0.2 5000 typ host', sdpMLineIndex: 0 },
    { candidate: 'candidate:2 1 udp 1 10.0.0.3 5001 typ host', sdpMLineIndex: 0 },
  ]);
  assert.equal(
    fragment,
    [
      'a=ice-ufrag:uf',
      'a=ice-pwd:pw',
      'm=video 9 UDP/TLS/RTP/SAVPF 96',
      'a=mid:v',
      'a=candidate:1 1 udp 1 10.0.0.2 5000 typ host',
      'a=candidate:2 1 udp 1 10.0.0.3 5001 typ host',
      '',
    ].join('\r\n'),
  );
});
