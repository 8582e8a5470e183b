export { type CoordinatorOptions, coordinate } from './coordinator-run.ts';
