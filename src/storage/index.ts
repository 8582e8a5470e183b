export type { ByteSink, ByteSource, FileInfo } from './bytes.ts';
export { fileStorage, openFile, streamFile } from './file.ts';
export type { PendingFile, Storage } from './storage.ts';
