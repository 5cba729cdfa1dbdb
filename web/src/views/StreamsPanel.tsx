import { useState } from 'preact/hooks';
import type { Box, Model } from '../box/box.ts';
import { mayControl } from '../box/controls.ts';
import { added, found, tidyName } from '../box/external.ts';
import type { ExternalStream } from '../rpc/types.ts';
import { useAttempts } from './attempt.ts';
import { Mark } from './Mark.tsx';
import { Note } from './Note.tsx';
import { Sure } from './Sure.tsx';

/** A search goes through whole networks; the configuration lets it take a minute. */
const SEARCH_MS = 70_000;

/** Streams of drones and network cameras: those that the box pulls, and more of them. */
export function StreamsPanel({ box, model }: { box: Box; model: Model }) {
  const { streams } = model;
  const operator = mayControl(model.role);
  const [address, setAddress] = useState('');
  const [name, setName] = useState('');
  const [finds, setFinds] = useState<readonly ExternalStream[]>([]);
  const { trouble, news, busy, attempt } = useAttempts();
  const ours = added(streams);
  const taken = new Set(ours.map(({ url }) => url));
  const offered = (finds.length ? finds : found(streams)).filter(({ url }) => !taken.has(url));
  if (!operator && ours.length === 0) return null;

  const add = (stream_url: string, stream_name: string) =>
    attempt(async () => {
      await box.ask('add_external_stream', { stream_url, stream_name });
      await box.listStreams();
      setAddress('');
      setName('');
      return `${stream_name} is added. Its picture comes within some seconds.`;
    });
  const remove = (stream: ExternalStream) =>
    attempt(async () => {
      await box.ask('remove_external_stream', { stream_url: stream.url });
      await box.listStreams();
      return `${stream.name} is removed.`;
    });
  const search = () =>
    attempt(async () => {
      const wish = { skydio_enabled: true, generic_enabled: true, force_rescan: true };
      const { discovered_streams, errors } = await box.ask('discover_external_streams', wish, SEARCH_MS);
      setFinds(discovered_streams);
      return [`${discovered_streams.length} found.`, ...errors].join(' ');
    });

  return (
    <section class="panel streams" aria-label="External streams">
      <h2>External streams</h2>
      <Note trouble={trouble} />
      {ours.length > 0 && (
        <ul>
          {ours.map((stream) => (
            <li key={stream.url} data-stream={stream.name}>
              <span class="name">
                <Mark tone={stream.extensions.ready ? 'good' : 'warn'} /> {stream.name}
              </span>
              <span class="small">
                {stream.extensions.ready ? 'comes in' : 'does not come in'} · <code>{stream.url}</code>
              </span>
              <div class="buttons">
                <button
                  type="button"
                  aria-label={`Watch ${stream.name}`}
                  disabled={model.selected === stream.name}
                  onClick={() => box.select(stream.name)}
                >
                  {model.selected === stream.name ? 'Shown' : 'Watch'}
                </button>
                {operator && <Sure word="Remove" about={stream.name} disabled={busy} onSure={() => void remove(stream)} />}
              </div>
            </li>
          ))}
        </ul>
      )}
      {operator && (
        <details open={ours.length === 0 ? undefined : false}>
          <summary>Add a stream</summary>
          <form
            class="rows"
            onSubmit={(event) => {
              event.preventDefault();
              void add(address.trim(), name);
            }}
          >
            <div class="field">
              <label for="stream-url">Address</label>
              <input id="stream-url" type="text" inputmode="url" autocapitalize="off" spellcheck={false} required placeholder="rtsp://user:password@192.168.1.20/stream" value={address} onInput={(e) => setAddress(e.currentTarget.value)} />
            </div>
            <div class="field">
              <label for="stream-name">Name: small letters, digits, - and _</label>
              <input id="stream-name" type="text" autocapitalize="off" spellcheck={false} required placeholder="drone-1" value={name} onInput={(e) => setName(tidyName(e.currentTarget.value))} />
            </div>
            <div class="buttons">
              <button type="submit" disabled={busy}>
                Add
              </button>
              <button type="button" disabled={busy} onClick={() => void search()}>
                Search the network
              </button>
            </div>
          </form>
          {offered.length > 0 && (
            <ul aria-label="Found">
              {offered.map((stream) => (
                <li key={stream.url}>
                  <code class="small">{stream.url}</code>
                  <div class="buttons">
                    <button type="button" disabled={busy} aria-label={`Add ${stream.name}`} onClick={() => void add(stream.url, stream.name)}>
                      Add as {stream.name}
                    </button>
                  </div>
                </li>
              ))}
            </ul>
          )}
        </details>
      )}
      <p class="small" role="status">
        {busy ? 'One moment …' : news}
      </p>
    </section>
  );
}
