export { FleetReader, type FleetReaderOptions, readFleet } from './fleet-reader.ts';
export type * from './types.ts';
