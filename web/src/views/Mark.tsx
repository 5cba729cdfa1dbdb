export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'none';

/** A small sign whose shape, not only its colour, tells the states apart. */
export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 12 12" aria-hidden="true">
      {tone === 'good' && <circle cx="6" cy="6" r="4.5" />}
      {tone === 'busy' && <circle class="line" cx="6" cy="6" r="4" />}
      {tone === 'warn' && <path d="M6 1 11.5 11H.5Z" />}
      {tone === 'bad' && <path d="M6 .5 11.5 6 6 11.5.5 6Z" />}
      {tone === 'none' && <path class="line" d="M2 6h8" />}
    </svg>
  );
}
