import { useEffect, useState } from 'preact/hooks';
import type { Box, Model } from '../box/box.ts';
import { mayControl } from '../box/controls.ts';
import { anyUncertain } from '../box/files.ts';
import type { Filed } from '../rpc/types.ts';
import { UNCERTAIN } from '../words.ts';
import { useAttempts } from './attempt.ts';
import { FileRow } from './FileRow.tsx';
import { Note } from './Note.tsx';
import { OffsitePanel } from './OffsitePanel.tsx';
import { RangePanel } from './RangePanel.tsx';
import { Retention } from './Retention.tsx';
import { SpaceBar } from './SpaceBar.tsx';

/** What the box keeps: room, recordings, snapshots. */
export function FilesPanel({ box, model }: { box: Box; model: Model }) {
  const space = 'space' in model.health ? model.health.space : null;
  return (
    <>
      <section class="panel" aria-label="Storage">
        <h2>Storage</h2>
        {space ? <SpaceBar space={space} /> : <p class="small">The box has not said how much room there is.</p>}
        {model.role === 'admin' && <Retention box={box} />}
      </section>
      {mayControl(model.role) && <OffsitePanel box={box} model={model} />}
      <Shelf box={box} model={model} kind="recording" title="Recordings" />
      {model.selected && <RangePanel key={model.selected} box={box} device={model.selected} />}
      <Shelf box={box} model={model} kind="snapshot" title="Snapshots" />
    </>
  );
}

interface ShelfProps {
  box: Box;
  model: Model;
  kind: 'recording' | 'snapshot';
  title: string;
}

const AT_ONCE = 8;

function Shelf({ box, model, kind, title }: ShelfProps) {
  const [listed, setListed] = useState<{ files: readonly Filed[]; total: number } | null>(null);
  const [limit, setLimit] = useState(AT_ONCE);
  const { trouble, news, busy, attempt } = useAttempts();
  const list = kind === 'recording' ? 'list_recordings' : 'list_snapshots';
  const load = async () => setListed(await box.ask(list, { limit }));

  useEffect(() => {
    if (model.link.kind === 'ready') void attempt(load);
  }, [model.filed, model.link.kind, limit]);

  const remove = ({ filename }: Filed) =>
    attempt(async () => {
      await box.ask(kind === 'recording' ? 'delete_recording' : 'delete_snapshot', { filename });
      await load();
      return `${filename} is deleted.`;
    });
  const link = async ({ filename }: Filed): Promise<string> => {
    // Long enough to go on with a download that was cut off.
    const { download_url } = await box.ask('get_download_url', { kind, filename, ttl_s: 3600 });
    return download_url;
  };

  return (
    <section class="panel files" aria-label={title}>
      <div class="title">
        <h2>{title}</h2>
        {listed && <span class="small">{listed.total}</span>}
      </div>
      <Note trouble={trouble} />
      {listed && listed.files.length > 0 && (
        <ul>
          {listed.files.map((file) => (
            <FileRow
              key={file.filename}
              file={file}
              kind={kind}
              busy={busy}
              link={() => link(file)}
              attempt={attempt}
              onDelete={mayControl(model.role) ? () => void remove(file) : null}
            />
          ))}
        </ul>
      )}
      {/* In full, because no finger makes a title appear. */}
      {listed && anyUncertain(listed.files) && (
        <p class="small" data-uncertain>
          <b>Time uncertain:</b> {UNCERTAIN.reason} <b>What to do:</b> {UNCERTAIN.action}
        </p>
      )}
      {listed?.total === 0 && <p class="small">None yet.</p>}
      {!listed && !trouble && <p class="small">Asking the box …</p>}
      {listed && listed.total > listed.files.length && (
        <button type="button" disabled={busy} onClick={() => setLimit(limit + 24)}>
          Show more
        </button>
      )}
      <p class="small news" role="status">
        {news}
      </p>
    </section>
  );
}
