import { useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import { bytes } from '../format.ts';
import type { Params, StorageInfo } from '../rpc/types.ts';
import { useAttempts } from './attempt.ts';
import { Note } from './Note.tsx';
import { Sure } from './Sure.tsx';

/** For administrators: what recordings take, and what is deleted by itself. Asked for when opened, as each question is audited. */
export function Retention({ box }: { box: Box }) {
  const [info, setInfo] = useState<StorageInfo | null>(null);
  const [days, setDays] = useState('');
  const [size, setSize] = useState('');
  const { trouble, news, busy, attempt } = useAttempts();

  const load = async () => {
    const known = await box.ask('get_storage_info', undefined);
    const { enabled, max_age_days, max_size_gb } = known.extensions.retention;
    setInfo(known);
    setDays(enabled && max_age_days ? String(max_age_days) : '');
    setSize(enabled && max_size_gb ? String(max_size_gb) : '');
  };
  const save = () =>
    attempt(async () => {
      await box.ask('set_retention_policy', policy(days, size));
      await load();
      return days || size ? 'Kept. It acts every ten minutes.' : 'Kept. Nothing is deleted by itself.';
    });
  const clean = () =>
    attempt(async () => {
      const { files_deleted, space_freed } = await box.ask('cleanup_old_files', undefined, 60_000);
      box.fileChanged();
      await load();
      return `${files_deleted} files deleted, ${bytes(space_freed)} freed.`;
    });

  return (
    <details onToggle={(event) => void (event.currentTarget.open && attempt(load))}>
      <summary>What is deleted by itself</summary>
      <Note trouble={trouble} />
      {info && (
        <form
          class="rows"
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <p class="small">
            Recordings take {bytes(info.recordings_size)}, snapshots {bytes(info.snapshots_size)}. From {info.extensions.block_percent} % in
            use on, no recording begins{info.extensions.recording_blocked && ', which is so now'}.
          </p>
          <Limit id="keep-days" label="Files older than … days" value={days} step="1" min="1" onValue={setDays} />
          <Limit id="keep-size" label="The oldest beyond … GB in all" value={size} step="0.1" min="0.1" onValue={setSize} />
          <div class="buttons">
            <button type="submit" disabled={busy}>
              Keep this
            </button>
            <Sure word="Delete now" about="what these limits say" disabled={busy} onSure={() => void clean()} />
          </div>
        </form>
      )}
      <p class="small" role="status">
        {news}
      </p>
    </details>
  );
}

function policy(days: string, size: string): Params<'set_retention_policy'> {
  const limits = { ...(days && { max_age_days: Number(days) }), ...(size && { max_size_gb: Number(size) }) };
  if (!days && !size) return { policy_type: 'manual', enabled: true };
  return { policy_type: days ? 'age' : 'size', enabled: true, ...limits };
}

interface LimitProps {
  id: string;
  label: string;
  value: string;
  min: string;
  step: string;
  onValue: (value: string) => void;
}

function Limit({ id, label, value, min, step, onValue }: LimitProps) {
  return (
    <div class="row">
      <label for={id}>{label}</label>
      <input id={id} type="number" inputmode="decimal" placeholder="no limit" min={min} step={step} value={value} onInput={(e) => onValue(e.currentTarget.value)} />
    </div>
  );
}
