import { useState } from 'preact/hooks';
import type { Box } from '../box/box.ts';
import { AuditPanel } from './AuditPanel.tsx';
import { KeysPanel } from './KeysPanel.tsx';
import { Note } from './Note.tsx';
import { Sure } from './Sure.tsx';
import { useAttempts } from './attempt.ts';

/** For administrators: who may do what, and who did. */
export function AccessPanel({ box }: { box: Box }) {
  return (
    <>
      <KeysPanel box={box} />
      <RevokePanel box={box} />
      <AuditPanel box={box} />
    </>
  );
}

function RevokePanel({ box }: { box: Box }) {
  const [user, setUser] = useState('');
  const { trouble, news, busy, attempt } = useAttempts();
  const revoke = () =>
    attempt(async () => {
      await box.ask('revoke_token', { user_id: user.trim() });
      setUser('');
      return `Every token of ${user.trim()} has ended.`;
    });
  return (
    <section class="panel" aria-label="Tokens">
      <h2>Tokens</h2>
      <Note trouble={trouble} />
      <div class="rows">
        <div class="field">
          <label for="revoke-user">Take back every token of a user</label>
          <input id="revoke-user" type="text" autocapitalize="off" spellcheck={false} placeholder="user, as in the audit log" value={user} onInput={(e) => setUser(e.currentTarget.value)} />
        </div>
        <div class="buttons">
          <Sure word="Revoke" about={`every token of ${user.trim() || 'this user'}`} disabled={busy || !user.trim()} onSure={() => void revoke()} />
        </div>
      </div>
      <p class="small" role="status">
        {news || 'New tokens are made on the box: camera-service token --role viewer --user NAME'}
      </p>
    </section>
  );
}
