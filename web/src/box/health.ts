/** Asks the box how it is, now and then. */

export type Health =
  | { word: 'unknown' }
  | { word: 'unreachable' }
  | { word: 'healthy' | 'degraded' | 'unhealthy'; version: string };

const EVERY_MS = 10_000;
const TIMEOUT_MS = 5000;

/** Reads the answer of `/health`. An unhealthy box answers with an error status and the same body. */
export function readHealth(body: unknown): Health {
  const { status, version } = (body ?? {}) as { status?: unknown; version?: unknown };
  if (status === 'healthy' || status === 'degraded' || status === 'unhealthy') {
    return { word: status, version: typeof version === 'string' ? version : '' };
  }
  return { word: 'unknown' };
}

/** Reports until stopped. */
export function watchHealth(report: (health: Health) => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let stopped = false;
  const ask = async (): Promise<void> => {
    let health: Health;
    try {
      const response = await fetch('/health', { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
      health = readHealth(await response.json().catch(() => null));
    } catch {
      health = { word: 'unreachable' };
    }
    if (stopped) return;
    report(health);
    timer = setTimeout(() => void ask(), EVERY_MS);
  };
  void ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
