/** What has happened in the box since this page was opened, in words. Pure. */

import { duration } from '../format.ts';
import type { Topic } from '../rpc/types.ts';
import { FAULT_ACTION } from '../words.ts';
import { sentence } from './sentence.ts';

export interface Happening {
  /** Counts up, so that each has its own. */
  id: number;
  /** By the box's clock. */
  at: string;
  text: string;
  tone: 'good' | 'busy' | 'warn' | 'bad';
  /** Empty: nothing to do. */
  action: string;
}

/** What the page subscribes to. Two are not told: one shows whether a recording grows, one moves the list of streams. */
export const TOPICS: Topic[] = [
  'camera.status_change',
  'camera.capability_error',
  'recording.start',
  'recording.stop',
  'recording.error',
  'recording.progress',
  'snapshot.taken',
  'snapshot.error',
  'system.health',
  'system.startup',
  'system.shutdown',
  'system.error',
  'mediamtx.error',
  'mediamtx.path',
  'mediamtx.stream',
];

const KEPT = 100;

type Fields = Record<string, unknown>;
type Told = Pick<Happening, 'text' | 'tone'>;

/** An event in words; null for what is no news for people. */
export function tell(topic: string, params: unknown): Omit<Happening, 'id'> | null {
  const fields = (typeof params === 'object' && params !== null ? params : {}) as Fields;
  const told = words(topic, fields);
  if (!told) return null;
  const at = text(fields['timestamp']) || new Date().toISOString();
  return { ...told, at, action: FAULT_ACTION[text(fields['code'])] ?? sentence(text(fields['action'])) };
}

/** Newest first, and never more than fit on a page that is looked through. */
export function keep(feed: readonly Happening[], news: Omit<Happening, 'id'>): Happening[] {
  return [{ ...news, id: (feed[0]?.id ?? 0) + 1 }, ...feed].slice(0, KEPT);
}

function words(topic: string, fields: Fields): Told | null {
  const device = text(fields['device']);
  const name = text(fields['name']) || device || 'A camera';
  const file = text(fields['filename']);
  const reason = text(fields['reason']);
  const because = reason ? `: ${reason}` : '';
  switch (topic) {
    case 'camera.status_change':
      if (fields['status'] === 'CONNECTED') return { text: `${name} works.`, tone: 'good' };
      if (fields['status'] === 'DISCONNECTED') return { text: sentence(`${name} is gone${because}`), tone: 'warn' };
      return { text: sentence(`${name} does not work${because}`), tone: 'bad' };
    case 'camera.capability_error':
      return { text: sentence(`${name} could not be asked what it can${because}`), tone: 'warn' };
    case 'recording.start':
      return { text: `The recording ${file} of ${device} began.`, tone: 'busy' };
    case 'recording.stop': {
      const seconds = Number(fields['duration']);
      const length = Number.isFinite(seconds) ? ` after ${duration(seconds)}` : '';
      return { text: `The recording ${file} of ${device} ended${length}.`, tone: 'good' };
    }
    case 'recording.error':
      return { text: sentence(`The recording ${file} of ${device} has a fault${because}`), tone: 'bad' };
    case 'snapshot.taken':
      return { text: `The snapshot ${file} of ${device} was taken.`, tone: 'good' };
    case 'snapshot.error':
      return { text: sentence(`No snapshot of ${device} could be taken${because}`), tone: 'bad' };
    case 'system.health':
      return health(text(fields['status']), because);
    case 'system.startup':
      return { text: 'The service has started.', tone: 'good' };
    case 'system.shutdown':
      return { text: sentence(`The service ends${because}`), tone: 'warn' };
    case 'system.error':
      // These two are no parts that start again: copies and recordings wait until it is mended.
      if (fields['component'] === 'offsite') return { text: sentence(`The off-site copy has trouble${because}`), tone: 'warn' };
      if (fields['component'] === 'storage') return { text: sentence(`The storage has trouble${because}`), tone: 'bad' };
      return { text: sentence(`A part failed and starts again${because}`), tone: 'bad' };
    case 'mediamtx.error':
      return { text: sentence(`The media server fails and is started again${because}`), tone: 'bad' };
    case 'mediamtx.stream':
      return fields['status'] === 'READY'
        ? { text: `${name} can be watched.`, tone: 'good' }
        : { text: `${name} cannot be watched now.`, tone: 'warn' };
    case 'events_dropped':
      return { text: `This page was too slow for ${Number(fields['count']) || 'some'} pieces of news.`, tone: 'warn' };
    default:
      return null;
  }
}

function health(status: string, because: string): Told {
  if (status === 'HEALTHY') return { text: 'The box is healthy.', tone: 'good' };
  return { text: sentence(`The box is ${status.toLowerCase() || 'not well'}${because}`), tone: status === 'UNHEALTHY' ? 'bad' : 'warn' };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
