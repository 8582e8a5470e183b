export { type AppOptions, createApp } from './app.ts';
export { clipEmbedder } from './clip-embedder.ts';
export type { Embedder } from './embedder.ts';
export { type OpenedIndex, openIndex, readIndexSummary } from './opened-index.ts';
export type * from './page-types.ts';
export type { FetchImage } from './query.ts';
export { type ServeRunOptions, serveRun } from './serve-run.ts';
export { type Service, type ServiceOptions, startService } from './server.ts';
