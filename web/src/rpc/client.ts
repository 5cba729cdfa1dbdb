/**
 * JSON-RPC 2.0 over one socket: numbers the calls, pairs the answers, hands on
 * the notifications. It lives as long as its socket; `link.ts` starts the next.
 */

import { LinkError, RpcError } from './errors.ts';
import type { MethodName, Params, Result } from './types.ts';

/** What is needed of a WebSocket, so that a test can hand in its own. */
export interface Socket {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: { data: unknown }) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  send(text: string): void;
  close(): void;
}

export interface ClientEvents {
  open(): void;
  closed(): void;
  notification(method: string, params: unknown): void;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const TIMEOUT_MS = 10_000;

export class RpcClient {
  readonly #socket: Socket;
  readonly #events: ClientEvents;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #ended = false;

  constructor(socket: Socket, events: ClientEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.onopen = () => events.open();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#end('the connection was lost', true);
  }

  call<M extends MethodName>(
    method: M,
    ...[params, timeoutMs = TIMEOUT_MS]: Params<M> extends undefined
      ? [params?: undefined, timeoutMs?: number]
      : [params: Params<M>, timeoutMs?: number]
  ): Promise<Result<M>> {
    if (this.#ended) return Promise.reject(new LinkError('the connection has ended'));
    const id = ++this.#lastId;
    return new Promise<Result<M>>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new LinkError(`no answer to ${method} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      // `undefined` params leave no trace in the text.
      this.#socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  /** Ends the socket without a `closed` event: who closes knows already. */
  close(): void {
    this.#end('the connection was closed', false);
    this.#socket.close();
  }

  #receive(data: unknown): void {
    const message = parse(data);
    if (!message) return;
    if (typeof message['method'] === 'string') {
      if (message['id'] === undefined) this.#events.notification(message['method'], message['params']);
      return;
    }
    const id = message['id'];
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (!pending) return; // an answer that came after its time was up
    this.#pending.delete(id as number);
    clearTimeout(pending.timer);
    const error = message['error'];
    if (isObject(error)) {
      pending.reject(new RpcError(Number(error['code']), String(error['message']), error['data']));
    } else {
      pending.resolve(message['result']);
    }
  }

  #end(why: string, tell: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new LinkError(why));
    }
    this.#pending.clear();
    if (tell) this.#events.closed();
  }
}

function parse(data: unknown): Record<string, unknown> | null {
  if (typeof data !== 'string') return null;
  try {
    const message: unknown = JSON.parse(data);
    return isObject(message) ? message : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
