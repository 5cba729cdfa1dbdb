/**
 * One attempt to see one camera: a peer connection and its WHEP resource. It
 * reports what happens and decides nothing; the player decides.
 */

import type { Offered, WhepHttp } from './http.ts';
import { offerKeys, trickleFragment, type Candidate, type OfferKeys } from './trickle.ts';

export interface SessionEvents {
  /** The offer was not taken. */
  declined(outcome: Exclude<Offered, { kind: 'answer' }>): void;
  /** A picture may come from now on. */
  stream(stream: MediaStream): void;
  /** The peer connection is gone, or never came to be. */
  lost(): void;
}

/** Counters since the session began. */
export interface VideoCounters {
  framesDecoded: number;
  bytesReceived: number;
  width: number;
  height: number;
}

export class Session {
  readonly #http: WhepHttp;
  readonly #events: SessionEvents;
  readonly #peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  readonly #abort = new AbortController();
  #keys: OfferKeys | null = null;
  #found: Candidate[] = [];
  #resource: string | null = null;

  constructor(http: WhepHttp, camera: string, events: SessionEvents) {
    this.#http = http;
    this.#events = events;
    void this.#run(camera).catch(() => {
      if (!this.#closed) events.lost();
    });
  }

  async counters(): Promise<VideoCounters | null> {
    if (this.#closed) return null;
    for (const report of (await this.#peer.getStats()).values()) {
      if (report.type !== 'inbound-rtp' || report.kind !== 'video') continue;
      return {
        framesDecoded: report.framesDecoded ?? 0,
        bytesReceived: report.bytesReceived ?? 0,
        width: report.frameWidth ?? 0,
        height: report.frameHeight ?? 0,
      };
    }
    return null;
  }

  close(): void {
    if (this.#closed) return;
    this.#abort.abort();
    // The server is told first: once the peer has said goodbye, it knows no such resource any more.
    if (this.#resource) void this.#http.end(this.#resource).finally(() => this.#peer.close());
    else this.#peer.close();
  }

  get #closed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(camera: string): Promise<void> {
    const peer = this.#peer;
    peer.ontrack = ({ track, receiver, streams }) => {
      // A camera is watched live: show each frame as soon as it is whole.
      if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
      // The server says goodbye here, long before the peer connection calls itself lost.
      receiver.transport?.addEventListener('statechange', () => {
        if (this.#closed || receiver.transport?.state !== 'closed') return;
        this.#resource = null;
        this.#events.lost();
      });
      this.#events.stream(streams[0] ?? new MediaStream([track]));
    };
    peer.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      this.#found.push(candidate);
      this.#trickle();
    };
    // "disconnected" often heals by itself; the frame watch sees it if it does not.
    peer.onconnectionstatechange = () => {
      if (!this.#closed && ['failed', 'closed'].includes(peer.connectionState)) this.#events.lost();
    };
    peer.addTransceiver('video', { direction: 'recvonly' });

    await peer.setLocalDescription();
    const offer = peer.localDescription?.sdp ?? '';
    this.#keys = offerKeys(offer);
    const outcome = await this.#http.offer(camera, offer, this.#abort.signal);
    if (outcome.kind !== 'answer') {
      if (!this.#closed) this.#events.declined(outcome);
      return;
    }
    if (this.#closed) {
      // Closed while the request was under way: do not leave a reader behind.
      if (outcome.resource) void this.#http.end(outcome.resource);
      return;
    }
    this.#resource = outcome.resource;
    await peer.setRemoteDescription({ type: 'answer', sdp: outcome.sdp });
    this.#trickle();
  }

  #trickle(): void {
    if (this.#closed || !this.#resource || !this.#keys || !this.#found.length) return;
    void this.#http.trickle(this.#resource, trickleFragment(this.#keys, this.#found));
    this.#found = [];
  }
}
