import type { Camera } from '../rpc/types.ts';
import { StatusWord } from './StatusWord.tsx';

interface Props {
  cameras: readonly Camera[];
  selected: string;
  onSelect: (device: string) => void;
}

export function CameraList({ cameras, selected, onSelect }: Props) {
  return (
    <nav class="panel cameras" aria-label="Cameras">
      <h2>Cameras</h2>
      <ul>
        {cameras.map((camera) => (
          <li key={camera.device}>
            <button
              type="button"
              aria-current={camera.device === selected ? 'true' : undefined}
              onClick={() => onSelect(camera.device)}
            >
              <span class="name">{camera.name || camera.device}</span>
              <span class="id">{camera.device}</span>
              <StatusWord status={camera.status} />
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}
