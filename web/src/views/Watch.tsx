import { useState } from 'preact/hooks';
import { choose } from '../box/cameras.ts';
import type { Box, Model } from '../box/box.ts';
import { mayControl } from '../box/controls.ts';
import { AccessPanel } from './AccessPanel.tsx';
import { BoxPanel } from './BoxPanel.tsx';
import { CameraList } from './CameraList.tsx';
import { CameraPanel } from './CameraPanel.tsx';
import { EventsPanel } from './EventsPanel.tsx';
import { FilesPanel } from './FilesPanel.tsx';
import { RecordBar } from './RecordBar.tsx';
import { SettingsPanel } from './SettingsPanel.tsx';
import { Stage } from './Stage.tsx';
import { StreamsPanel } from './StreamsPanel.tsx';
import { Tabs } from './Tabs.tsx';

const TABS = [
  ['camera', 'Camera'],
  ['files', 'Files'],
  ['events', 'Events'],
  ['box', 'Box'],
] as const;
const ADMIN_TABS = [...TABS, ['access', 'Access']] as const;
type Tab = (typeof ADMIN_TABS)[number][0];

/** The picture, and beside it one part at a time of what there is to know and to do. */
export function Watch({ box, model, token }: { box: Box; model: Model; token: string }) {
  const [tab, setTab] = useState<Tab>('camera');
  const sources = box.sources();
  const camera = sources ? choose(sources, model.selected) : null;
  const tabs = model.role === 'admin' ? ADMIN_TABS : TABS;
  const shown = tabs.some(([id]) => id === tab) ? tab : 'camera';
  return (
    <main class="watch">
      <div class="stage">
        <Stage token={token} camera={camera} listed={sources !== null} onForget={() => box.forgetToken()} />
        {camera && mayControl(model.role) && (
          <RecordBar key={camera.device} box={box} device={camera.device} running={model.running[camera.device] ?? null} />
        )}
      </div>
      <div class="side">
        <Tabs<Tab> tabs={tabs} shown={shown} onShow={setTab}>
          {shown === 'camera' && <CameraPart box={box} model={model} />}
          {shown === 'files' && <FilesPanel box={box} model={model} />}
          {shown === 'events' && <EventsPanel feed={model.feed} />}
          {shown === 'box' && <BoxPanel box={box} model={model} />}
          {shown === 'access' && <AccessPanel box={box} />}
        </Tabs>
      </div>
    </main>
  );
}

function CameraPart({ box, model }: { box: Box; model: Model }) {
  const { cameras, selected } = model;
  const sources = box.sources() ?? [];
  const camera = choose(sources, selected);
  const external = camera !== null && !cameras?.some(({ device }) => device === camera.device);
  return (
    <>
      {camera && (
        <CameraPanel
          key={camera.device}
          box={box}
          camera={camera}
          metrics={model.metrics}
          external={external}
          stale={model.link.kind === 'retrying'}
        />
      )}
      {camera && !external && mayControl(model.role) && camera.status !== 'DISCONNECTED' && (
        <SettingsPanel key={`settings ${camera.device}`} box={box} camera={camera} />
      )}
      {cameras && sources.length > 1 && (
        <CameraList cameras={cameras} selected={camera?.device ?? ''} onSelect={(device) => box.select(device)} />
      )}
      {cameras?.length === 0 && (
        <section class="panel">
          <h1>No camera yet</h1>
          <p>Plug a camera into the box. It appears here by itself.</p>
        </section>
      )}
      {cameras && <StreamsPanel box={box} model={model} />}
    </>
  );
}
