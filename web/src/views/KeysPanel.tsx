import { useEffect, useRef, useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import { moment } from '../format.ts';
import type { ApiKey, NewApiKey, Role } from '../rpc/types.ts';
import { NEVER } from '../words.ts';
import { useAttempts } from './attempt.ts';
import { Copy } from './Copy.tsx';
import { Note } from './Note.tsx';
import { Sure } from './Sure.tsx';

const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];
const LIVES = [
  ['30d', '30 days'],
  ['90d', '90 days'],
  ['1y', '1 year'],
  ['never', 'for ever'],
] as const;

/** For administrators: keys for machines. A new one is shown this once. */
export function KeysPanel({ box }: { box: Box }) {
  const [keys, setKeys] = useState<readonly ApiKey[] | null>(null);
  const [fresh, setFresh] = useState<NewApiKey | null>(null);
  const [role, setRole] = useState<Role>('viewer');
  const [expiry, setExpiry] = useState<string>('90d');
  const [description, setDescription] = useState('');
  const { trouble, news, busy, attempt } = useAttempts();

  const load = async () => setKeys((await box.ask('list_api_keys', {})).keys);
  useEffect(() => void attempt(load), []);
  const create = () =>
    attempt(async () => {
      const key = await box.ask('create_api_key', { role, expiry, ...(description && { description }) });
      setFresh(key);
      setDescription('');
      await load();
    });
  const revoke = ({ key_id, description }: ApiKey) =>
    attempt(async () => {
      await box.ask('revoke_api_key', { key_id });
      if (fresh?.key_id === key_id) setFresh(null);
      await load();
      return `${description || key_id} opens nothing any more.`;
    });

  return (
    <section class="panel keys" aria-label="API keys">
      <h2>API keys</h2>
      <Note trouble={trouble} />
      {fresh && <Fresh made={fresh} onDone={() => setFresh(null)} />}
      <form
        class="rows"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <div class="field">
          <label for="key-for">What it is for</label>
          <input id="key-for" type="text" maxLength={200} placeholder="gate recorder" value={description} onInput={(e) => setDescription(e.currentTarget.value)} />
        </div>
        <div class="row">
          <label for="key-role">Role</label>
          <select id="key-role" value={role} onChange={(e) => setRole(e.currentTarget.value as Role)}>
            {ROLES.map((word) => (
              <option key={word}>{word}</option>
            ))}
          </select>
        </div>
        <div class="row">
          <label for="key-life">Good for</label>
          <select id="key-life" value={expiry} onChange={(e) => setExpiry(e.currentTarget.value)}>
            {LIVES.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </div>
        <div class="buttons">
          <button type="submit" disabled={busy}>
            Make a key
          </button>
        </div>
      </form>
      {keys && keys.length > 0 && (
        <ul>
          {keys.map((key) => (
            <li key={key.key_id} data-key={key.status}>
              <span class="name">{key.description || key.key_id}</span>
              <span class="small">
                {key.role} · {key.status} · last used {key.last_used ? moment(key.last_used) : NEVER} · ends {key.expires_at ? moment(key.expires_at) : NEVER}
              </span>
              {key.status === 'active' && (
                <div class="buttons">
                  <Sure word="Revoke" about={key.description || key.key_id} disabled={busy} onSure={() => void revoke(key)} />
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {keys?.length === 0 && <p class="small">None yet.</p>}
      <p class="small" role="status">
        {news}
      </p>
    </section>
  );
}

function Fresh({ made, onDone }: { made: NewApiKey; onDone: () => void }) {
  const text = useRef<HTMLElement>(null);
  const address = useRef<HTMLElement>(null);
  const link = `${location.origin}/#token=${made.key}`;
  return (
    <div class="note good" role="alert">
      <p>
        <b>Copy this key now.</b> It is shown this once and kept nowhere.
      </p>
      <code ref={text} data-fresh-key>
        {made.key}
      </code>
      <div class="buttons">
        <Copy value={made.key} shown={text} what="the key" />
      </div>
      <p>For people: this link opens the page with it. Keep it as you would keep the key.</p>
      <code ref={address}>{link}</code>
      <div class="buttons">
        <Copy value={link} shown={address} what="the link" />
        <button type="button" onClick={onDone}>
          I have it
        </button>
      </div>
    </div>
  );
}
