/**
 * Sends the newest of many wishes: a slider makes a hundred a second, and the
 * camera shall get as many as it can take, the last one always among them.
 */

export class Latest<T> {
  readonly #send: (wish: T) => Promise<void>;
  readonly #idle: () => void;
  readonly #spacingMs: number;
  #waiting: { wish: T } | null = null;
  #busy = false;

  /** `idle` is called when the last wish was answered; `send` deals with its own errors. */
  constructor(send: (wish: T) => Promise<void>, idle: () => void, spacingMs = 100) {
    this.#send = send;
    this.#idle = idle;
    this.#spacingMs = spacingMs;
  }

  push(wish: T): void {
    this.#waiting = { wish };
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting) {
      const { wish } = this.#waiting;
      this.#waiting = null;
      await this.#send(wish).catch(() => {});
      // The box rations calls.
      if (this.#waiting) await new Promise((done) => setTimeout(done, this.#spacingMs));
    }
    this.#busy = false;
    this.#idle();
  }
}
