import { useEffect, useState } from 'preact/hooks';
import { copyText } from './clipboard.ts';

type Copied = 'no' | 'yes' | 'failed';
const LABEL: Record<Copied, string> = { no: 'Copy', yes: 'Copied', failed: 'Copy it by hand' };

interface Props {
  value: string;
  /** Where it can be read, to be selected where copying is not allowed. */
  shown: { current: HTMLElement | null };
  /** Such as "RTSP address". */
  what: string;
}

export function Copy({ value, shown, what }: Props) {
  const [copied, setCopied] = useState<Copied>('no');
  useEffect(() => {
    if (copied === 'no') return;
    const timer = setTimeout(() => setCopied('no'), 2500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => setCopied((await copyText(value, shown.current)) ? 'yes' : 'failed');
  return (
    <>
      <button type="button" onClick={() => void copy()} aria-label={`${LABEL[copied]}: ${what}`}>
        {LABEL[copied]}
      </button>
      <span class="unseen" role="status">
        {copied === 'yes' && `${what} copied`}
      </span>
    </>
  );
}
