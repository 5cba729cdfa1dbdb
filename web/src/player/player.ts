/** Carries out what the machine orders: sessions, timers, and the video element. */

import { Store } from '../store.ts';
import type { WhepHttp } from '../whep/http.ts';
import { Session } from '../whep/session.ts';
import { FrameWatch, type Rates } from './framewatch.ts';
import { dueAt, step, type PlayerEvent, type PlayerState } from './machine.ts';

export interface Picture {
  rates: Rates | null;
  width: number;
  height: number;
}

/** Often enough to see a picture stand still for 2 s soon after it has. */
const SAMPLE_MS = 400;

export class Player {
  readonly state = new Store<PlayerState>({ kind: 'idle' });
  readonly picture = new Store<Picture | null>(null);

  readonly #video: HTMLVideoElement;
  readonly #http: WhepHttp;
  #camera = '';
  #fps = 0;
  #session: Session | null = null;
  #watch = new FrameWatch();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sampler: ReturnType<typeof setInterval> | undefined;

  constructor(video: HTMLVideoElement, http: WhepHttp) {
    this.#video = video;
    this.#http = http;
  }

  play(camera: string, fps: number): void {
    this.stop();
    this.#camera = camera;
    this.#fps = fps;
    if (typeof RTCPeerConnection === 'undefined') {
      this.state.value = { kind: 'refused', why: 'browser' };
    } else {
      this.#handle({ kind: 'start' });
    }
  }

  stop(): void {
    this.#handle({ kind: 'stop' });
    // The last frame of one camera must never stand under the name of another.
    this.#video.srcObject = null;
  }

  wake(): void {
    this.#handle({ kind: 'wake' });
  }

  #handle(event: PlayerEvent): void {
    const next = step(this.state.value, event, Date.now());
    this.state.value = next.state;
    if (next.order) this.#close();
    if (next.order === 'open') this.#open();
    clearTimeout(this.#timer);
    const due = dueAt(next.state);
    if (due !== null) this.#timer = setTimeout(() => this.#handle({ kind: 'tick' }), Math.max(0, due - Date.now()));
  }

  #open(): void {
    this.#watch = new FrameWatch(this.#fps);
    const session = new Session(this.#http, this.#camera, {
      declined: (outcome) => {
        if (session !== this.#session) return;
        switch (outcome.kind) {
          case 'missing':
            return this.#handle({ kind: 'missing' });
          case 'refused':
            return this.#handle({ kind: 'refused', why: outcome.status === 401 ? 'token' : 'forbidden' });
          default:
            return this.#handle({ kind: 'trouble', why: outcome.kind });
        }
      },
      lost: () => {
        if (session === this.#session) this.#handle({ kind: 'trouble', why: 'lost' });
      },
      stream: (stream) => {
        if (session === this.#session) this.#show(stream);
      },
    });
    this.#session = session;
    this.#sampler = setInterval(() => void this.#sample(session), SAMPLE_MS);
  }

  #close(): void {
    clearInterval(this.#sampler);
    this.#session?.close();
    this.#session = null;
    this.picture.value = null;
  }

  #show(stream: MediaStream): void {
    this.#video.srcObject = stream;
    // Refused only when a new stream replaces this one, which then plays itself.
    this.#video.play().catch(() => undefined);
  }

  async #sample(session: Session): Promise<void> {
    const counters = await session.counters().catch(() => null);
    if (!counters || session !== this.#session) return;
    const now = Date.now();
    this.#watch.add(now, counters.framesDecoded, counters.bytesReceived);
    if (this.#watch.started) this.#handle({ kind: 'frame' });
    this.picture.value = { rates: this.#watch.rates(), width: counters.width, height: counters.height };
    // Browsers may rest the decoder of a page nobody sees: that is no fault.
    if (!document.hidden && this.#watch.frozen(now)) this.#handle({ kind: 'trouble', why: 'frozen' });
  }
}
