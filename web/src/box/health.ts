/** Asks the box how it is, now and then. */

import { FAULT_ACTION } from '../words.ts';
import { sentence } from './sentence.ts';

/** Something that is wrong: the cause, since when, and the next action. */
export interface Fault {
  code: string;
  /** The camera it is about, else the part of the box. */
  about: string;
  cause: string;
  action: string;
  bad: boolean;
  /** Null: the box does not know. */
  seconds: number | null;
}

export interface Part {
  name: string;
  word: 'healthy' | 'degraded' | 'unhealthy';
  message: string;
}

export interface Space {
  total: number;
  free: number;
  /** Of what may be written. */
  usedPercent: number;
}

export interface Report {
  word: 'healthy' | 'degraded' | 'unhealthy';
  version: string;
  uptime: number;
  faults: readonly Fault[];
  /** No fault, but good to know: a mistake in the configuration, a key that waits for a restart. */
  notes: readonly string[];
  parts: readonly Part[];
  space: Space | null;
}

export type Health = { word: 'unknown' } | { word: 'unreachable'; since: number } | Report;

const EVERY_MS = 10_000;
/** While something is wrong, somebody is likely to be mending it. */
const TROUBLED_EVERY_MS = 3000;
const TIMEOUT_MS = 5000;
/** Many things may happen at once; the box is asked once, when they have. */
const SOON_MS = 300;

type Json = Record<string, unknown>;

/** Reads the answer of `/health/detailed`. An unhealthy box answers with an error status and the same body. */
export function readHealth(body: unknown): Health {
  const told = object(body);
  const word = verdict(told['status']);
  if (!word) return { word: 'unknown' };
  const extensions = object(told['extensions']);
  const at = Date.parse(text(told['timestamp']));
  return {
    word,
    version: text(told['version']),
    uptime: Number(object(told['metrics'])['uptime_seconds']) || 0,
    faults: list(extensions['faults'])
      .map((fault) => readFault(object(fault), at))
      .sort((a, b) => Number(b.bad) - Number(a.bad)),
    notes: list(extensions['notes']).map(text).filter(Boolean).map(sentence),
    parts: list(told['components']).map((part) => readPart(object(part))),
    space: readSpace(told['components']),
  };
}

function readFault(fault: Json, at: number): Fault {
  const code = text(fault['code']);
  // By the box's own clock on both sides: this device's may be wrong.
  const passed = at - Date.parse(text(fault['since']));
  return {
    code,
    about: text(fault['device']) || text(fault['component']),
    cause: sentence(text(fault['cause'])),
    action: FAULT_ACTION[code] ?? sentence(text(fault['action'])),
    bad: fault['status'] === 'unhealthy',
    seconds: Number.isFinite(passed) ? Math.max(0, passed / 1000) : null,
  };
}

function readPart(part: Json): Part {
  return { name: text(part['name']), word: verdict(part['status']) ?? 'unhealthy', message: sentence(text(part['message'])) };
}

function readSpace(parts: unknown): Space | null {
  const storage = list(parts).map(object).find((part) => part['name'] === 'storage');
  const { total_bytes: total, available_bytes: free, free_percent: percent } = object(storage?.['details']);
  if (typeof total !== 'number' || typeof free !== 'number' || typeof percent !== 'number') return null;
  return { total, free, usedPercent: Math.min(100, Math.max(0, 100 - percent)) };
}

function verdict(word: unknown): Part['word'] | null {
  return word === 'healthy' || word === 'degraded' || word === 'unhealthy' ? word : null;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export interface HealthWatch {
  /** Asks soon: something has happened. */
  ask(): void;
  stop(): void;
}

/** Reports until stopped. */
export function watchHealth(report: (health: Health) => void): HealthWatch {
  let timer: ReturnType<typeof setTimeout>;
  let soon: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let turn = 0;
  let lostAt: number | null = null;
  const ask = async (): Promise<void> => {
    clearTimeout(timer);
    soon = undefined;
    const mine = ++turn;
    let health: Health;
    try {
      const response = await fetch('/health/detailed', { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
      health = readHealth(await response.json().catch(() => null));
      lostAt = null;
    } catch {
      lostAt ??= Date.now();
      health = { word: 'unreachable', since: lostAt };
    }
    if (stopped || mine !== turn) return;
    report(health);
    timer = setTimeout(() => void ask(), health.word === 'healthy' ? EVERY_MS : TROUBLED_EVERY_MS);
  };
  void ask();
  return {
    ask: () => {
      soon ??= setTimeout(() => void ask(), SOON_MS);
    },
    stop: () => {
      stopped = true;
      clearTimeout(soon);
      clearTimeout(timer);
    },
  };
}
