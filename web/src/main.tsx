import { render } from 'preact';
import { Box } from './box/box.ts';
import './styles.css';
import { App } from './views/App.tsx';

const box = new Box();
box.start();
render(<App box={box} />, document.getElementById('app')!);
