import { render } from 'preact';
import { ReviewApp } from './review-app.tsx';

const root = document.getElementById('app');
if (root) render(<ReviewApp />, root);
