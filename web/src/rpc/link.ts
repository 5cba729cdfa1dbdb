/**
 * Keeps one authenticated control connection: connects, signs in, notices when
 * the other end has gone silent, and connects again. A refused token ends it,
 * because trying it again cannot help.
 */

import { backoff } from '../backoff.ts';
import { RpcClient, type Socket } from './client.ts';
import { AUTH_FAILED, LinkError, RpcError } from './errors.ts';
import type { AuthResult, MethodName, Params, Result } from './types.ts';

export type LinkState =
  | { kind: 'connecting' }
  | { kind: 'ready'; auth: AuthResult }
  | { kind: 'retrying'; at: number }
  | { kind: 'refused'; reason: string | null }
  | { kind: 'ended' };

export interface LinkEvents {
  state(state: LinkState): void;
  notification(method: string, params: unknown): void;
}

/** A socket that has not opened by then is given up: some networks swallow packets silently. */
const OPEN_TIMEOUT_MS = 8000;
const PING_EVERY_MS = 10_000;
const PING_TIMEOUT_MS = 5000;

export class Link {
  readonly #open: () => Socket;
  readonly #token: string;
  readonly #events: LinkEvents;
  #client: RpcClient | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #state: LinkState = { kind: 'ended' };

  constructor(open: () => Socket, token: string, events: LinkEvents) {
    this.#open = open;
    this.#token = token;
    this.#events = events;
  }

  start(): void {
    this.#set({ kind: 'connecting' });
    const client = new RpcClient(this.#open(), {
      open: () => void this.#signIn(client),
      closed: () => this.#lost(client),
      notification: (method, params) => {
        if (client === this.#client && this.#state.kind === 'ready') this.#events.notification(method, params);
      },
    });
    this.#client = client;
    this.#after(OPEN_TIMEOUT_MS, () => this.#lost(client));
  }

  stop(): void {
    this.#drop();
    this.#set({ kind: 'ended' });
  }

  /** Skips the rest of a wait: the network is back, or somebody looks at the page again. */
  wake(): void {
    if (this.#state.kind === 'retrying') this.start();
  }

  /** One call on the signed-in connection. An expired token ends the link here, too. */
  async call<M extends MethodName>(method: M, params: Params<M>, timeoutMs?: number): Promise<Result<M>> {
    const client = this.#client;
    if (!client || this.#state.kind !== 'ready') throw new LinkError('not connected');
    try {
      return await (client.call as (m: M, p: Params<M>, t?: number) => Promise<Result<M>>).call(client, method, params, timeoutMs);
    } catch (error) {
      if (client === this.#client && error instanceof RpcError && error.code === AUTH_FAILED) this.#refuse(error);
      throw error;
    }
  }

  async #signIn(client: RpcClient): Promise<void> {
    try {
      const auth = await client.call('authenticate', { auth_token: this.#token });
      if (client !== this.#client) return;
      this.#attempt = 0;
      this.#set({ kind: 'ready', auth });
      this.#after(PING_EVERY_MS, () => void this.#ping(client));
    } catch (error) {
      if (client !== this.#client) return;
      if (error instanceof RpcError && error.code === AUTH_FAILED) this.#refuse(error);
      else this.#lost(client);
    }
  }

  async #ping(client: RpcClient): Promise<void> {
    try {
      await client.call('ping', undefined, PING_TIMEOUT_MS);
    } catch (error) {
      // Any answer, even an error, shows that the other end lives.
      if (!(error instanceof RpcError)) return this.#lost(client);
    }
    if (client === this.#client) this.#after(PING_EVERY_MS, () => void this.#ping(client));
  }

  #lost(client: RpcClient): void {
    if (client !== this.#client) return;
    this.#drop();
    const wait = backoff(this.#attempt++);
    this.#set({ kind: 'retrying', at: Date.now() + wait });
    this.#after(wait, () => this.start());
  }

  #refuse(error: RpcError): void {
    this.#drop();
    this.#set({ kind: 'refused', reason: error.reason });
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    client?.close();
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, ms);
  }

  #set(state: LinkState): void {
    this.#state = state;
    this.#events.state(state);
  }
}
