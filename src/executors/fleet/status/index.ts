export { findRun, type RunChoice } from './find-run.ts';
export { FleetReader, type FleetReaderOptions, readFleet } from './fleet-reader.ts';
export type * from './types.ts';
