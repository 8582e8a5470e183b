export { type ArchiveFile, type ArchiveOptions, type ArchiveSource, createArchiveSource } from './archive.ts';
export type { FetchStats } from './dispatch.ts';
export type { Clock, WebSourceOptions } from './options.ts';
export type { Resolve, ResolvedAddress } from './resolve.ts';
export type { ImageSource } from './source.ts';
export { createWebSource, type WebSource } from './web.ts';
