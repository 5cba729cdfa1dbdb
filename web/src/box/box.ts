/**
 * The page's picture of the camera box: who we are, which cameras there are,
 * which one is shown. Wires the control link and the health watch to one model.
 */

import { parseFragment, visibleFragment } from '../fragment.ts';
import type { Socket } from '../rpc/client.ts';
import { LinkError, NOT_FOUND, RpcError } from '../rpc/errors.ts';
import { Link, type LinkState } from '../rpc/link.ts';
import type {
  Camera,
  CameraCapabilities,
  CameraMetrics,
  ExternalStream,
  MethodName,
  Params,
  Result,
  Role,
} from '../rpc/types.ts';
import { Store } from '../store.ts';
import { choose, merge } from './cameras.ts';
import { isUnclaimed } from './claim.ts';
import { asCamera } from './external.ts';
import { keep, tell, TOPICS, type Happening } from './feed.ts';
import { watchHealth, type Health, type HealthWatch } from './health.ts';
import { begun, growing, grown, heard, isUpdate, type Recording, type Running } from './recordings.ts';
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
  /** Streams of somebody else: those that were added, and those that the last search found. */
  streams: readonly ExternalStream[];
  running: Running;
  feed: readonly Happening[];
  /** Counts the times that a recording or a snapshot came, went or ended. */
  filed: number;
  selected: string | null;
  metrics: CameraMetrics | null;
}

/** What is known of a box before anybody has shown a token, and again after. */
const NOBODY = {
  unclaimed: false,
  role: null,
  link: { kind: 'ended' },
  cameras: null,
  streams: [],
  running: {},
  feed: [],
  filed: 0,
  selected: null,
  metrics: null,
} satisfies Partial<Model>;

/** Counters are looked at, not measured with; and each viewer's calls are rationed. */
const METRICS_EVERY_MS = 5000;

export class Box {
  readonly model: Store<Model>;
  #health: HealthWatch | null = null;
  #link: Link | null = null;
  #wanted: string | null = null;
  /** Counts the pushed news, so that an answer asked for before them is known to be stale. */
  #news = 0;

  constructor() {
    this.model = new Store<Model>({ ...NOBODY, token: null, refusal: '', health: { word: 'unknown' } });
  }

  start(): void {
    this.#health = watchHealth((health) => this.#set({ health }));
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
      if (document.hidden) return;
      void this.#refresh();
      // Whoever waits for a stream must not miss it because one piece of news was lost.
      if (this.model.value.streams.some(({ extensions }) => extensions?.added && !extensions.ready)) {
        void this.listStreams().catch(() => {});
      }
    }, METRICS_EVERY_MS);
  }

  useToken(token: string): void {
    this.#link?.stop();
    storeToken(token);
    const { selected } = this.model.value;
    this.#set({ ...NOBODY, token, refusal: '', selected });
    const link = new Link(openSocket, token, {
      state: (state) => {
        if (link === this.#link) this.#linkChanged(state);
      },
      notification: (method, params) => {
        if (link === this.#link) this.#told(method, params);
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
    this.#set({ ...NOBODY, token: null, refusal });
  }

  select(device: string): void {
    this.#wanted = device;
    this.#settle();
  }

  async capabilities(device: string): Promise<CameraCapabilities> {
    return this.ask('get_camera_capabilities', { device });
  }

  /** One call for one part of the page, whose answer no other part waits for. */
  async ask<M extends MethodName>(method: M, params: Params<M>, timeoutMs?: number): Promise<Result<M>> {
    if (!this.#link) throw new LinkError('not connected');
    return this.#link.call(method, params, timeoutMs);
  }

  /** What can be watched: the cameras, and the streams that were added. */
  sources(): Camera[] | null {
    const { cameras, streams } = this.model.value;
    return cameras && [...cameras, ...streams.map(asCamera).filter((stream) => stream !== null)];
  }

  async listStreams(): Promise<void> {
    const { external_streams } = await this.ask('get_external_streams', undefined);
    this.#set({ streams: external_streams });
    this.#settle();
  }

  /** Tells the lists of files that one of them is another. */
  fileChanged(): void {
    this.#set({ filed: this.model.value.filed + 1 });
  }

  #told(method: string, params: unknown): void {
    if (method === 'camera_status_update' && isCamera(params)) this.#cameraNews(params);
    if (method === 'recording_status_update' && isUpdate(params)) {
      this.#set({ running: heard(this.model.value.running, params, Date.now()) });
      this.fileChanged();
    }
    if (method === 'recording.progress') this.#set({ running: grown(this.model.value.running, params) });
    if (method === 'snapshot.taken') this.fileChanged();
    if (/^(system|mediamtx|camera)/.test(method)) this.#health?.ask();
    if (method === 'mediamtx.path' || method === 'mediamtx.stream') void this.listStreams().catch(() => {});
    if (method === 'events_dropped') void this.#list();
    const news = tell(method, params);
    if (news) this.#set({ feed: keep(this.model.value.feed, news) });
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
    // What was last said of the box's health may be said of a box that is gone.
    if (link.kind === 'ready' || link.kind === 'retrying') this.#health?.ask();
    if (link.kind === 'ready') {
      this.#set({ role: link.auth.role });
      void this.#list();
      // Each is a help of its own: an older box may lack one of them.
      void this.ask('subscribe_events', { topics: TOPICS }).catch(() => {});
      void this.listStreams().catch(() => {});
      void this.#listRunning().catch(() => {});
    }
  }

  async #listRunning(): Promise<void> {
    const { files } = await this.ask('list_recordings', {});
    const running: Record<string, Recording> = {};
    for (const { device, filename } of growing(files)) {
      const { extensions } = await this.ask('get_recording_info', { filename });
      running[device] = begun(Date.now() - (extensions.duration_ms ?? 0));
    }
    this.#set({ running });
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
    const { selected } = this.model.value;
    const sources = this.sources();
    if (!sources) return;
    const next = choose(sources, this.#wanted ?? selected)?.device ?? null;
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
    // Of somebody else's stream the box knows no more than its list tells.
    if (!this.model.value.cameras?.some((camera) => camera.device === device)) return;
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
