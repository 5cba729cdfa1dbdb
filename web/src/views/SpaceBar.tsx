import type { Space } from '../box/health.ts';
import { bytes } from '../format.ts';

/** How full the medium of the recordings is; by a bar, and by words for whoever does not see it. */
export function SpaceBar({ space }: { space: Space }) {
  const used = Math.round(space.usedPercent);
  return (
    <div class="space">
      <meter min={0} max={100} low={80} high={90} optimum={0} value={used} aria-label="Storage in use">
        {used} %
      </meter>
      <p class="small">
        {used} % in use · {bytes(space.free)} free
      </p>
    </div>
  );
}
