import type { Happening } from '../box/feed.ts';
import { moment } from '../format.ts';
import { Mark } from './Mark.tsx';

/** What has happened since the page was opened, newest first. */
export function EventsPanel({ feed }: { feed: readonly Happening[] }) {
  return (
    <section class="panel events" aria-label="Events">
      <h2>Events</h2>
      <div role="log">
      <ol>
        {feed.map(({ id, at, text, tone, action }) => (
          <li key={id}>
            <Mark tone={tone} />
            <div>
              <p>{text}</p>
              {action && (
                <p>
                  <b>What to do:</b> {action}
                </p>
              )}
              <time class="small" dateTime={at}>
                {moment(at)}
              </time>
            </div>
          </li>
        ))}
      </ol>
      </div>
      <p class="small">{feed.length ? 'Since this page was opened; the newest hundred.' : 'Nothing has happened since this page was opened.'}</p>
    </section>
  );
}
