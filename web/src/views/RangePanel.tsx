import { useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import { bytes, duration, instant, local, moment } from '../format.ts';
import type { Result } from '../rpc/types.ts';
import { useAttempts } from './attempt.ts';
import { Note } from './Note.tsx';

const AT_FIRST_MS = 600_000;
/** The tables of a long stretch are read from the card. */
const PATIENCE_MS = 30_000;

type Found = Result<'get_range_url'>;

/** Plays or fetches what was recorded from one moment to another, over all recordings. */
export function RangePanel({ box, device }: { box: Box; device: string }) {
  const [from, setFrom] = useState(() => local(Date.now() - AT_FIRST_MS));
  const [until, setUntil] = useState(() => local(Date.now()));
  const [found, setFound] = useState<Found | null>(null);
  const [at, setAt] = useState(0);
  const { trouble, news, busy, attempt } = useAttempts();
  const find = async () => {
    const wish = { device, start: instant(from), end: instant(until), ttl_s: 86_400 };
    return box.ask('get_range_url', wish, PATIENCE_MS);
  };
  const play = () =>
    attempt(async () => {
      setFound(null);
      setAt(0);
      setFound(await find());
    });
  const download = () =>
    attempt(async () => {
      const { download_url, file_size } = await find();
      // The answer names itself an attachment, so the page stays.
      location.assign(download_url);
      return `${bytes(file_size)} are on their way.`;
    });
  return (
    <section class="panel files" aria-label="A time">
      <h2>Play a time of {device}</h2>
      <form
        class="buttons"
        onSubmit={(event) => {
          event.preventDefault();
          void play();
        }}
      >
        <label class="field">
          From
          <input type="datetime-local" step="1" required value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
        </label>
        <label class="field">
          To
          <input type="datetime-local" step="1" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={busy}>
          Play
        </button>
        <button type="button" disabled={busy} onClick={() => void download()}>
          Download
        </button>
      </form>
      <Note trouble={trouble} />
      {found && (
        <>
          <video
            key={found.download_url}
            src={found.download_url}
            controls
            autoplay
            muted
            playsInline
            aria-label={`${device} from ${moment(found.start_time)}`}
            onTimeUpdate={(event) => setAt(event.currentTarget.currentTime)}
          />
          <p class="small">
            {moment(new Date(Date.parse(found.start_time) + at * 1000).toISOString())} · {duration(found.duration_ms / 1000)} of{' '}
            {found.recordings.length === 1 ? 'one recording' : `${found.recordings.length} recordings`}
            {found.gaps.length > 0 && ` · nothing was recorded in between ${found.gaps.length === 1 ? 'once' : `${found.gaps.length} times`}`}
            {found.damaged.length > 0 && ` · damaged: ${found.damaged.join(', ')}`}
          </p>
        </>
      )}
      <p class="small news" role="status">
        {news}
      </p>
    </section>
  );
}
