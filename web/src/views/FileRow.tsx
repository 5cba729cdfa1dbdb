import { useState } from 'preact/hooks';
import { copied, timing } from '../box/files.ts';
import { bytes, moment } from '../format.ts';
import type { Filed } from '../rpc/types.ts';
import type { Attempts } from './attempt.ts';
import { Sure } from './Sure.tsx';

interface Props {
  file: Filed;
  kind: 'recording' | 'snapshot';
  busy: boolean;
  /** Makes a link that needs no token, for a while. */
  link: () => Promise<string>;
  attempt: Attempts['attempt'];
  /** Null: whoever looks may not. */
  onDelete: (() => void) | null;
}

export function FileRow({ file, kind, busy, link, attempt, onDelete }: Props) {
  const [shown, setShown] = useState<string | null>(null);
  const running = file.extensions?.recording === true;
  const { filename } = file;
  const { word, why } = timing(file);
  const copy = copied(file);
  const look = () => (shown ? setShown(null) : void attempt(async () => setShown(await link())));
  // The answer names itself an attachment, so the page stays.
  const download = () => void attempt(async () => location.assign(await link()));
  return (
    <li data-file={filename}>
      <span class="name">{filename}</span>
      <span class="small">
        {running && <b>recording now · </b>}
        {file.extensions?.device && `${file.extensions.device} · `}
        {bytes(file.file_size)} ·{' '}
        <span class={why ? 'asks' : undefined} title={why || undefined}>
          {moment(file.modified_time)}
          {word && ` · ${word}`}
        </span>
        {copy && ` · ${copy}`}
      </span>
      <div class="buttons">
        {!running && (
          <button type="button" aria-expanded={shown !== null} aria-label={`${kind === 'recording' ? 'Play' : 'Show'} ${filename}`} onClick={look}>
            {shown ? 'Close' : kind === 'recording' ? 'Play' : 'Show'}
          </button>
        )}
        <button type="button" disabled={busy} aria-label={`Download ${filename}`} onClick={download}>
          Download
        </button>
        {onDelete && !running && <Sure word="Delete" about={filename} disabled={busy} onSure={onDelete} />}
      </div>
      {shown && kind === 'recording' && <video src={shown} controls autoplay muted playsInline aria-label={filename} />}
      {shown && kind === 'snapshot' && <img src={shown} alt={`Snapshot ${filename}`} />}
    </li>
  );
}
