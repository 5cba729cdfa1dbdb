import type { Model } from '../box/box.ts';
import type { Health } from '../box/health.ts';
import { secondsUntil } from '../format.ts';
import type { LinkState } from '../rpc/link.ts';
import { Mark, type Tone } from './Mark.tsx';
import { useNow } from './now.ts';

export function Header({ model, onForget }: { model: Model; onForget: () => void }) {
  const { link, health } = model;
  return (
    <header class="top">
      <div class="brand">
        <Lens />
        <span>camera-service</span>
      </div>
      <dl class="signals">
        <Signal name="Box" tone={HEALTH[health.word]} word={health.word} title={versionOf(health)} />
        {model.token && <LinkSignal link={link} />}
        {model.role && <Signal name="Role" tone={null} word={model.role} title="" />}
      </dl>
      {model.token && (
        <button type="button" class="quiet" onClick={onForget}>
          Change token
        </button>
      )}
    </header>
  );
}

const HEALTH: Record<Health['word'], Tone> = {
  healthy: 'good',
  degraded: 'warn',
  unhealthy: 'bad',
  unreachable: 'bad',
  unknown: 'none',
};

function versionOf(health: Health): string {
  return 'version' in health && health.version ? `Version ${health.version}` : '';
}

function LinkSignal({ link }: { link: LinkState }) {
  const now = useNow(link.kind === 'retrying');
  switch (link.kind) {
    case 'ready':
      return <Signal name="Control" tone="good" word="connected" title="" />;
    case 'retrying':
      return <Signal name="Control" tone="warn" word={`lost, again in ${secondsUntil(link.at, now)} s`} title="" />;
    default:
      return <Signal name="Control" tone="busy" word="connecting" title="" />;
  }
}

function Signal({ name, tone, word, title }: { name: string; tone: Tone | null; word: string; title: string }) {
  return (
    <div title={title || undefined}>
      <dt>{name}</dt>
      <dd>
        {tone && <Mark tone={tone} />}
        {word}
      </dd>
    </div>
  );
}

function Lens() {
  return (
    <svg class="lens" viewBox="0 0 32 32" aria-hidden="true">
      <circle class="ring" cx="16" cy="16" r="12" />
      <circle class="pupil" cx="16" cy="16" r="5" />
    </svg>
  );
}
