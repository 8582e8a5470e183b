export { type ArchiveFile, type ArchiveOptions, type ArchiveSource, createArchiveSource } from './archive.ts';
export type { Clock } from './clock.ts';
export { type DeadlineOptions, fetchDeadlineMs, shardDeadlineMs } from './deadline.ts';
export type { FetchStats } from './dispatch.ts';
export type { DnsSettings } from './dns.ts';
export type { WebSourceOptions } from './options.ts';
export { DnsFailure, type Resolve, type ResolvedAddress } from './resolve.ts';
export type { ImageSource } from './source.ts';
export { createWebSource, type WebSource } from './web.ts';
