import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  /** What the button says, such as Delete. */
  word: string;
  /** What it is about, for those who hear the page. */
  about: string;
  disabled?: boolean;
  onSure: () => void;
}

/** A button for what cannot be undone: the second press does it, and it forgets the first after a while. */
export function Sure({ word, about, disabled = false, onSure }: Props) {
  const [asked, setAsked] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!asked) return;
    const timer = setTimeout(() => setAsked(false), 6000);
    return () => clearTimeout(timer);
  }, [asked]);
  return (
    <button
      ref={button}
      type="button"
      class={asked ? 'sure' : undefined}
      disabled={disabled}
      aria-label={asked ? `Really ${word.toLowerCase()} ${about}?` : `${word} ${about}`}
      onBlur={() => setAsked(false)}
      onKeyDown={(event) => {
        if (event.key === 'Escape') setAsked(false);
      }}
      onClick={() => {
        // Safari does not focus a pressed button, and without focus there is no blur.
        button.current?.focus();
        if (asked) onSure();
        setAsked(!asked);
      }}
    >
      {asked ? `Really ${word.toLowerCase()}?` : word}
    </button>
  );
}
