import type { ByteSink, CreateOptions, FileInfo, PendingFile, Storage } from '../storage/index.ts';

/** Writes one file of a stage: it has its name when `write` has ended well, and leaves nothing when it has not. */
export async function writeFile(
  storage: Storage,
  path: string,
  write: (sink: ByteSink) => Promise<void>,
  options: CreateOptions = {},
): Promise<FileInfo> {
  const [file] = await writeFiles(storage, [path], ([sink]) => write(sink as ByteSink), options);
  return file as FileInfo;
}

/** Writes several files of a stage side by side, with a sink for each path, in its order: all of them or none. */
export async function writeFiles(
  storage: Storage,
  paths: readonly string[],
  write: (sinks: readonly ByteSink[]) => Promise<void>,
  options: CreateOptions = {},
): Promise<FileInfo[]> {
  const pending: PendingFile[] = [];
  try {
    for (const path of paths) pending.push(await storage.create(path, options));
    await write(pending);
    const written: FileInfo[] = [];
    for (const file of pending) written.push((await file.commit()) as FileInfo); // Undefined only with ifAbsent.
    return written;
  } catch (error) {
    for (const file of pending) await file.abort();
    throw error;
  }
}
