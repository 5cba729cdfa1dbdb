import type { Socket } from '../src/rpc/client.ts';

export interface Sent {
  id: number;
  method: string;
  params?: unknown;
}

/** The other end of a control connection, played by the test. */
export class FakeSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  readonly sent: Sent[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.({} as never);
  }

  drop(): void {
    this.onclose?.({} as never);
  }

  receive(message: unknown): void {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }

  /** Answers the last call. */
  answer(result: unknown): void {
    this.receive({ jsonrpc: '2.0', id: this.sent.at(-1)!.id, result, metadata: {} });
  }

  fail(code: number, data?: unknown): void {
    this.receive({ jsonrpc: '2.0', id: this.sent.at(-1)!.id, error: { code, message: 'no', data } });
  }
}

/** Lets every promise that is settled already run its continuations. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
