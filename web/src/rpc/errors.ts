export const AUTH_FAILED = -32001;
export const NOT_FOUND = -32010;
export const METHOD_NOT_FOUND = -32601;

/** The server answered with an error. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: number, message: string, data: unknown) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = typeof data === 'object' && data !== null ? { ...data } : {};
  }

  get reason(): string | null {
    return this.#text('reason');
  }

  /** What went wrong, as a sentence. */
  get details(): string | null {
    return this.#text('details');
  }

  /** What to do about it. */
  get suggestion(): string | null {
    return this.#text('suggestion');
  }

  #text(key: string): string | null {
    const value = this.data[key];
    return typeof value === 'string' && value !== '' ? value : null;
  }
}

/** No answer will come: the socket ended, or the time was up. */
export class LinkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LinkError';
  }
}
