import { Fragment } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import type { StreamAddresses } from '../rpc/types.ts';
import { useAttempts } from './attempt.ts';
import { Copy } from './Copy.tsx';
import { Note } from './Note.tsx';

const NAMES = [
  ['rtsp', 'RTSP'],
  ['hls', 'HLS'],
  ['webrtc', 'WebRTC'],
] as const;

interface Props {
  box: Box;
  device: string;
  streams: StreamAddresses;
}

export function Addresses({ box, device, streams }: Props) {
  return (
    <div class="addresses">
      <h2>Addresses</h2>
      <ul>
        {NAMES.map(([key, name]) => {
          const address = streams[key];
          return address && <Address key={key} name={name} address={address} />;
        })}
        {streams.rtsp && <PlayerAddress box={box} device={device} rtsp={streams.rtsp} />}
      </ul>
    </div>
  );
}

/** The longest that the box lets a stream token open something. What it has opened stays. */
const OPENS_S = 3600;

/** An address that a player opens without being asked who it is: it holds a token for this one stream. */
function PlayerAddress({ box, device, rtsp }: { box: Box; device: string; rtsp: string }) {
  const [address, setAddress] = useState('');
  const { trouble, busy, attempt } = useAttempts();
  const make = () =>
    attempt(async () => {
      const { token } = await box.ask('get_stream_token', { device, action: 'read', ttl_s: OPENS_S });
      setAddress(`${rtsp}?token=${token}`);
    });
  return (
    <>
      {address && <Address name="RTSP, for VLC or ffplay; whoever has it can open it for an hour" address={address} />}
      <li class="make">
        <button type="button" disabled={busy} onClick={() => void make()}>
          {address ? 'Another for one hour' : 'Make an address for VLC'}
        </button>
        <Note trouble={trouble} />
      </li>
    </>
  );
}

function Address({ name, address }: { name: string; address: string }) {
  const text = useRef<HTMLElement>(null);
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
      <Copy value={address} shown={text} what={`${name} address`} />
    </li>
  );
}
