import { useEffect, useRef, useState } from 'preact/hooks';
import type { Advice } from '../box/cameras.ts';
import { explain } from '../box/explain.ts';

export interface Attempts {
  trouble: Advice | null;
  /** What the last attempt came to, as a sentence. */
  news: string;
  busy: boolean;
  /** Does something that may be refused; gives whether it was done. One at a time. */
  attempt(act: () => Promise<string | void>): Promise<boolean>;
}

export function useAttempts(): Attempts {
  const [state, setState] = useState<Omit<Attempts, 'attempt'>>({ trouble: null, news: '', busy: false });
  const alive = useRef(true);
  const running = useRef(false);
  useEffect(() => () => void (alive.current = false), []);
  const attempt = async (act: () => Promise<string | void>) => {
    if (running.current) return false;
    running.current = true;
    setState((now) => ({ ...now, busy: true }));
    let next: Omit<Attempts, 'attempt'>;
    try {
      next = { trouble: null, news: (await act()) ?? '', busy: false };
    } catch (error) {
      next = { trouble: explain(error), news: '', busy: false };
    }
    running.current = false;
    if (alive.current) setState(next);
    return next.trouble === null;
  };
  return { ...state, attempt };
}
