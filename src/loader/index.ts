export { openLoader } from './loader.ts';
export type { Batch, Loader, LoaderCounts, LoaderOptions } from './options.ts';
export { type LoaderState, loaderStateSchema } from './state.ts';
