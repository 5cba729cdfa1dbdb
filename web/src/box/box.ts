/**
 * The page's picture of the camera box: who we are, which cameras there are,
 * which one is shown. Wires the control link and the health watch to one model.
 */

import { parseFragment, visibleFragment } from '../fragment.ts';
import type { Socket } from '../rpc/client.ts';
import { LinkError, NOT_FOUND, RpcError } from '../rpc/errors.ts';
import { Link, type LinkState } from '../rpc/link.ts';
import type { Camera, CameraCapabilities, CameraMetrics, MethodName, Params, Result, Role } from '../rpc/types.ts';
import { Store } from '../store.ts';
import { choose, merge } from './cameras.ts';
import { isUnclaimed } from './claim.ts';
import { watchHealth, type Health } from './health.ts';
import { refusalSentence, storedToken, storeToken } from './token.ts';

export interface Model {
  /** Null: a token has to be asked for. */
  token: string | null;
  /** Why the last token is gone, when that needs a sentence. */
  refusal: string;
  /** The box is nobody's: a code is asked for instead of a token. */
  unclaimed: boolean;
  role: Role | null;
  link: LinkState;
  health: Health;
  /** Null until the first list has come. */
  cameras: readonly Camera[] | null;
  selected: string | null;
  metrics: CameraMetrics | null;
}

/** Counters are looked at, not measured with; and each viewer's calls are rationed. */
const METRICS_EVERY_MS = 5000;

export class Box {
  readonly model: Store<Model>;
  #link: Link | null = null;
  #wanted: string | null = null;
  /** Counts the pushed news, so that an answer asked for before them is known to be stale. */
  #news = 0;

  constructor() {
    this.model = new Store<Model>({
      token: null,
      refusal: '',
      unclaimed: false,
      role: null,
      link: { kind: 'ended' },
      health: { word: 'unknown' },
      cameras: null,
      selected: null,
      metrics: null,
    });
  }

  start(): void {
    watchHealth((health) => this.#set({ health }));
    this.#readAddress();
    // Somebody pasted another link into this tab.
    window.addEventListener('hashchange', () => this.#readAddress());
    window.addEventListener('online', () => this.#link?.wake());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.#link?.wake();
      void this.#refresh();
    });
    setInterval(() => {
      if (!document.hidden) void this.#refresh();
    }, METRICS_EVERY_MS);
  }

  useToken(token: string): void {
    this.#link?.stop();
    storeToken(token);
    this.#set({ token, refusal: '', unclaimed: false, role: null, cameras: null, metrics: null });
    const link = new Link(openSocket, token, {
      state: (state) => {
        if (link === this.#link) this.#linkChanged(state);
      },
      notification: (method, params) => {
        if (link === this.#link && method === 'camera_status_update' && isCamera(params)) this.#cameraNews(params);
      },
    });
    this.#link = link;
    link.start();
  }

  /** Back to the form. The sentence says why, unless the user wished it. */
  forgetToken(refusal = ''): void {
    this.#link?.stop();
    this.#link = null;
    storeToken(null);
    this.#set({ token: null, refusal, unclaimed: false, role: null, link: { kind: 'ended' }, cameras: null, selected: null, metrics: null });
  }

  select(device: string): void {
    this.#wanted = device;
    this.#settle();
  }

  async capabilities(device: string): Promise<CameraCapabilities> {
    return this.ask('get_camera_capabilities', { device });
  }

  /** One call for one part of the page, whose answer no other part waits for. */
  async ask<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    if (!this.#link) throw new LinkError('not connected');
    return this.#link.call(method, params);
  }

  #readAddress(): void {
    const { token, camera } = parseFragment(location.hash);
    if (camera) this.#wanted = camera;
    // The token must not stay where it can be seen, bookmarked or sent on.
    if (token) history.replaceState(null, '', location.pathname + location.search + visibleFragment(camera));
    const known = token ?? this.model.value.token ?? storedToken();
    if (known && known !== this.model.value.token) this.useToken(known);
    else this.#settle();
    if (!known) void this.#askWhose();
  }

  async #askWhose(): Promise<void> {
    const unclaimed = await isUnclaimed(openSocket);
    if (!this.model.value.token) this.#set({ unclaimed });
  }

  #linkChanged(link: LinkState): void {
    if (link.kind === 'refused') {
      this.forgetToken(link.reason === 'unclaimed' ? '' : refusalSentence(link.reason));
      return this.#set({ unclaimed: link.reason === 'unclaimed' });
    }
    this.#set({ link });
    if (link.kind === 'ready') {
      this.#set({ role: link.auth.role });
      void this.#list();
    }
  }

  async #list(): Promise<void> {
    const news = this.#news;
    const link = this.#link;
    try {
      const list = await link?.call('get_camera_list', undefined);
      if (!list || link !== this.#link) return;
      // News that came while the list was under way would be undone by it: ask again.
      if (news !== this.#news) return void this.#list();
      this.#set({ cameras: list.cameras });
      this.#settle();
    } catch (error) {
      // A lost link lists anew once it is back; the server's refusals are not repeated.
      if (!(error instanceof RpcError)) return;
      this.#set({ cameras: this.model.value.cameras ?? [] });
    }
  }

  /** Makes the selection fit the list, and the address bar fit the selection. */
  #settle(): void {
    const { cameras, selected } = this.model.value;
    if (!cameras) return;
    const next = choose(cameras, this.#wanted ?? selected)?.device ?? null;
    if (next === selected) return;
    this.#set({ selected: next, metrics: null });
    if (this.#wanted) {
      history.replaceState(null, '', location.pathname + location.search + visibleFragment(next));
    }
    void this.#refresh();
  }

  #cameraNews(camera: Camera): void {
    this.#news++;
    this.#set({ cameras: merge(this.model.value.cameras ?? [], camera) });
    this.#settle();
    if (camera.device === this.model.value.selected) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const device = this.model.value.selected;
    const link = this.#link;
    if (!device || !link || this.model.value.link.kind !== 'ready') return;
    const news = this.#news;
    try {
      const { metrics, capabilities: _, ...camera } = await link.call('get_camera_status', { device });
      if (link !== this.#link || news !== this.#news) return;
      this.#set({ cameras: merge(this.model.value.cameras ?? [], camera) });
      if (device === this.model.value.selected) this.#set({ metrics: metrics ?? null });
    } catch (error) {
      if (error instanceof RpcError && error.code === NOT_FOUND) void this.#list();
    }
  }

  #set(change: Partial<Model>): void {
    this.model.value = { ...this.model.value, ...change };
  }
}

function openSocket(): Socket {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return new WebSocket(`${scheme}://${location.host}/ws`) as Socket;
}

function isCamera(value: unknown): value is Camera {
  return typeof value === 'object' && value !== null && typeof (value as Camera).device === 'string';
}
