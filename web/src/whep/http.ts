/** The three requests of WHEP. Knows HTTP, nothing of peers or pictures. */

export type Offered =
  | { kind: 'answer'; sdp: string; resource: string | null }
  /** 404: nobody publishes this camera yet. */
  | { kind: 'missing' }
  | { kind: 'refused'; status: 401 | 403 }
  | { kind: 'busy'; status: number }
  | { kind: 'unreachable' };

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** Nobody waits longer for a goodbye. */
const END_LIMIT_MS = 2000;

export class WhepHttp {
  readonly #fetch: Fetch;
  readonly #token: string;
  readonly #origin: string;

  constructor(fetch: Fetch, token: string, origin: string) {
    this.#fetch = fetch;
    this.#token = token;
    this.#origin = origin;
  }

  async offer(camera: string, sdp: string, signal: AbortSignal): Promise<Offered> {
    let response: Response;
    try {
      response = await this.#fetch(`/whep/${encodeURIComponent(camera)}`, {
        method: 'POST',
        headers: this.#headers('application/sdp'),
        body: sdp,
        signal,
      });
      if (response.status === 201) {
        return { kind: 'answer', sdp: await response.text(), resource: this.#resource(response.headers.get('Location')) };
      }
    } catch {
      return { kind: 'unreachable' };
    }
    switch (response.status) {
      case 404:
        return { kind: 'missing' };
      case 401:
      case 403:
        return { kind: 'refused', status: response.status };
      default:
        return { kind: 'busy', status: response.status };
    }
  }

  /** Late candidates only help; when they cannot be delivered, the peer may still find a way. */
  async trickle(resource: string, fragment: string): Promise<void> {
    await this.#fetch(resource, {
      method: 'PATCH',
      headers: { ...this.#headers('application/trickle-ice-sdpfrag'), 'If-Match': '*' },
      body: fragment,
    }).catch(() => undefined);
  }

  /** Frees the place at the server at once. `keepalive` lets it outlive the page. */
  async end(resource: string): Promise<void> {
    await this.#fetch(resource, {
      method: 'DELETE',
      headers: this.#headers(),
      keepalive: true,
      signal: AbortSignal.timeout(END_LIMIT_MS),
    }).catch(() => undefined);
  }

  #headers(type?: string): Record<string, string> {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#token}` };
    if (type) headers['Content-Type'] = type;
    return headers;
  }

  /** The token goes with every request, so a resource elsewhere is not followed. */
  #resource(location: string | null): string | null {
    if (!location) return null;
    try {
      const url = new URL(location, this.#origin);
      return url.origin === this.#origin ? url.pathname + url.search : null;
    } catch {
      return null;
    }
  }
}
