import { render } from 'preact';
import { MapPage } from './map-page.tsx';

const root = document.getElementById('app');
if (root) render(<MapPage />, root);
