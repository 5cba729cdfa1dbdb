/** A fresh box is nobody's; who can read the code on its console makes it theirs. */

import { RpcClient, type Socket } from '../rpc/client.ts';
import { RpcError } from '../rpc/errors.ts';

const TIMEOUT_MS = 8000;

/** Asks, without a login, for something that needs one: the refusal tells. */
export async function isUnclaimed(open: () => Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const client = new RpcClient(open(), {
      open: () => {
        client
          .call('get_camera_list', undefined, TIMEOUT_MS)
          .then(() => done(false), (error: unknown) => done(saysUnclaimed(error)));
      },
      closed: () => done(false),
      notification: () => {},
    });
    const timer = setTimeout(() => done(false), TIMEOUT_MS);
    function done(answer: boolean): void {
      clearTimeout(timer);
      client.close();
      resolve(answer);
    }
  });
}

function saysUnclaimed(error: unknown): boolean {
  return error instanceof RpcError && error.reason === 'unclaimed';
}

/** What became of a claim: a token; or a sentence, and whether another try makes sense. */
export type Claimed = { token: string } | { refusal: string; over: boolean };

export async function claim(code: string, send: typeof fetch = fetch): Promise<Claimed> {
  try {
    const response = await send('/claim', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body: unknown = await response.json().catch(() => null);
    return readClaim(response.status, body, response.headers.get('retry-after'));
  } catch {
    return { refusal: 'The camera box does not answer. Check the network and try again.', over: false };
  }
}

function readClaim(status: number, body: unknown, retryAfter: string | null): Claimed {
  const { token } = (body ?? {}) as { token?: unknown };
  if (status === 200 && typeof token === 'string') return { token };
  switch (status) {
    case 403:
      return { refusal: 'This is not the code. Look at it again: letters and digits, ten in all.', over: false };
    case 410:
      return { refusal: 'Somebody was quicker: this box has an owner now. Ask for a token.', over: true };
    case 429:
      return { refusal: `Too many codes were tried. Wait ${retryAfter ?? 'some'} seconds.`, over: false };
    default:
      return { refusal: `The camera box refused (${status}). Its log says why.`, over: false };
  }
}
