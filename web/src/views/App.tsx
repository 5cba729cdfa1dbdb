import type { Box } from '../box/box.ts';
import { useStore } from '../store.ts';
import { ClaimForm } from './ClaimForm.tsx';
import { Header } from './Header.tsx';
import { TokenForm } from './TokenForm.tsx';
import { Trouble } from './Trouble.tsx';
import { Watch } from './Watch.tsx';

export function App({ box }: { box: Box }) {
  const model = useStore(box.model);
  return (
    <>
      <Header model={model} onForget={() => box.forgetToken()} />
      <Trouble health={model.health} />
      {model.token ? (
        <Watch key={model.token} box={box} model={model} token={model.token} />
      ) : model.unclaimed ? (
        <ClaimForm onToken={(token) => box.useToken(token)} onOver={(why) => box.forgetToken(why)} />
      ) : (
        <TokenForm refusal={model.refusal} onToken={(token) => box.useToken(token)} />
      )}
    </>
  );
}
