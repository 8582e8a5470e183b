import { serveHarvest } from './serve-harvest.ts';

serveHarvest();
