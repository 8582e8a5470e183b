import { render } from 'preact';
import { FleetApp } from './fleet-app.tsx';

const root = document.getElementById('app');
if (root) render(<FleetApp />, root);
