/** Watches the counter of decoded frames: is the picture moving, and how fast? */

/** A picture is frozen after this long without a frame … */
const FROZEN_MS = 2000;
/** … or after this many frame times, for cameras slower than that. */
const FROZEN_FRAMES = 3;
/** The rate is taken over this long: short enough to follow, long enough to stand still. */
const WINDOW_MS = 2000;

interface Sample {
  at: number;
  frames: number;
  bytes: number;
}

export interface Rates {
  framesPerSecond: number;
  bitsPerSecond: number;
}

export class FrameWatch {
  readonly #frozenMs: number;
  #samples: Sample[] = [];
  #movedAt: number | null = null;

  /** `fps` is the rate the camera claims; 0 when unknown. */
  constructor(fps = 0) {
    this.#frozenMs = fps > 0 ? Math.max(FROZEN_MS, (FROZEN_FRAMES * 1000) / fps) : FROZEN_MS;
  }

  add(at: number, frames: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (frames > (last?.frames ?? 0)) this.#movedAt = at;
    // After sleep or throttling the time in between was not watched, so it says nothing.
    else if (last && this.#movedAt !== null && at - last.at > FROZEN_MS / 2) this.#movedAt = at;
    this.#samples.push({ at, frames, bytes });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at >= WINDOW_MS) this.#samples.shift();
  }

  /** Has any frame been decoded? */
  get started(): boolean {
    return this.#movedAt !== null;
  }

  frozen(at: number): boolean {
    return this.#movedAt !== null && at - this.#movedAt >= this.#frozenMs;
  }

  rates(): Rates | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at - first.at < WINDOW_MS / 2) return null;
    const seconds = (last.at - first.at) / 1000;
    return {
      framesPerSecond: (last.frames - first.frames) / seconds,
      bitsPerSecond: ((last.bytes - first.bytes) * 8) / seconds,
    };
  }
}
