import { Fragment } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { StreamAddresses } from '../rpc/types.ts';
import { copyText } from './clipboard.ts';

const NAMES = [
  ['rtsp', 'RTSP'],
  ['hls', 'HLS'],
  ['webrtc', 'WebRTC'],
] as const;

export function Addresses({ streams }: { streams: StreamAddresses }) {
  return (
    <div class="addresses">
      <h2>Addresses</h2>
      <ul>
        {NAMES.map(([key, name]) => {
          const address = streams[key];
          return address && <Address key={key} name={name} address={address} />;
        })}
      </ul>
    </div>
  );
}

type Copied = 'no' | 'yes' | 'failed';
const LABEL: Record<Copied, string> = { no: 'Copy', yes: 'Copied', failed: 'Press Ctrl+C' };

function Address({ name, address }: { name: string; address: string }) {
  const [copied, setCopied] = useState<Copied>('no');
  const text = useRef<HTMLElement>(null);
  useEffect(() => {
    if (copied === 'no') return;
    const timer = setTimeout(() => setCopied('no'), 2500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => setCopied((await copyText(address, text.current)) ? 'yes' : 'failed');
  return (
    <li>
      <span class="kind">{name}</span>
      <code ref={text}>
        {/* Long addresses break behind a slash, not inside a name. */}
        {address.match(/[^/]+\/*/g)?.map((piece, i) => (
          <Fragment key={i}>
            {piece}
            <wbr />
          </Fragment>
        ))}
      </code>
      <button type="button" onClick={() => void copy()} aria-label={`${LABEL[copied]}: ${name} address`}>
        {LABEL[copied]}
      </button>
      <span class="unseen" role="status">
        {copied === 'yes' && `${name} address copied`}
      </span>
    </li>
  );
}
