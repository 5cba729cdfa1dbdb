import type { ComponentChildren } from 'preact';
import type { Advice } from '../box/cameras.ts';

interface Props {
  trouble: Advice | null;
  tone?: 'warn' | 'bad';
  children?: ComponentChildren;
}

/** A cause and the next action, spoken as soon as it is there. */
export function Note({ trouble, tone = 'bad', children }: Props) {
  if (!trouble) return null;
  return (
    <div class={`note ${tone}`} role="alert">
      <p>{trouble.reason}</p>
      <p>
        <b>What to do:</b> {trouble.action}
      </p>
      {children}
    </div>
  );
}
