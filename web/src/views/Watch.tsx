import { choose } from '../box/cameras.ts';
import type { Box, Model } from '../box/box.ts';
import { mayControl } from '../box/controls.ts';
import { CameraList } from './CameraList.tsx';
import { CameraPanel } from './CameraPanel.tsx';
import { SettingsPanel } from './SettingsPanel.tsx';
import { Stage } from './Stage.tsx';

/** The picture, and beside it everything about the camera. */
export function Watch({ box, model, token }: { box: Box; model: Model; token: string }) {
  const { cameras, selected } = model;
  const camera = cameras ? choose(cameras, selected) : null;
  return (
    <main class="watch">
      <Stage token={token} camera={camera} listed={cameras !== null} onForget={() => box.forgetToken()} />
      <div class="side">
        {camera && <CameraPanel key={camera.device} box={box} camera={camera} metrics={model.metrics} />}
        {camera && mayControl(model.role) && camera.status !== 'DISCONNECTED' && (
          <SettingsPanel key={`settings ${camera.device}`} box={box} camera={camera} />
        )}
        {cameras && cameras.length > 1 && (
          <CameraList cameras={cameras} selected={camera?.device ?? ''} onSelect={(device) => box.select(device)} />
        )}
        {cameras?.length === 0 && (
          <section class="panel">
            <h1>No camera yet</h1>
            <p>Plug a camera into the box. It appears here by itself.</p>
          </section>
        )}
      </div>
    </main>
  );
}
