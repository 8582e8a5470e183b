export type { ByteSink, ByteSource, FileInfo, OpenSource } from './bytes.ts';
export { expandPattern } from './expand.ts';
export { fileStorage, openFile, streamFile } from './file.ts';
export { isRemote, locationFacts, locationName, streamLocation } from './locate.ts';
export type { ObjectFacts, RemoteBookmark, RemoteOptions } from './remote.ts';
export type { Alarm, Clock, RetryOptions } from './retry.ts';
export { Shelf, ShelfRoom, type Shelved } from './shelf.ts';
export { streamSource, withSource } from './source.ts';
export type { CommitOptions, CreateOptions, PendingFile, Storage } from './storage.ts';
