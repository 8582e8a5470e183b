export { type ServeFleetOptions, serveFleet } from './serve-fleet.ts';
