import { readTar, type TarEntry, type TarReadOptions } from './tar.ts';

export type { TarEntry, TarReadOptions } from './tar.ts';
export { readTar } from './tar.ts';
export { createTarWriter, type TarMember, type TarWriter } from './tar-writer.ts';

/** Files of a webdataset tar that follow each other and have one key. */
export interface WebdatasetSample {
  /** The path up to the first '.' of its last part, as webdataset has it. */
  readonly key: string;
  /** By extension, in lower case, without its first '.': 'jpg', 'txt', 'json', 'seg.png'. */
  readonly files: ReadonlyMap<string, TarEntry>;
}

/** Key and extension of a member's name, or undefined where it has no extension. */
export function splitKey(name: string): { readonly key: string; readonly extension: string } | undefined {
  const match = /^((?:.*\/)?[^/.]+)\.([^/]*)$/s.exec(name);
  return match ? { key: match[1] ?? '', extension: (match[2] ?? '').toLowerCase() } : undefined;
}

/** Most files that one sample may have. */
const MAX_FILES = 1000;

/**
 * The samples of a webdataset tar: consecutive members with one key. Members without an extension are passed over.
 * @throws GleanerError DAMAGED as `readTar`
 */
export async function* readWebdataset(
  chunks: AsyncIterable<Uint8Array>,
  options: TarReadOptions = {},
): AsyncGenerator<WebdatasetSample, void, undefined> {
  let key: string | undefined;
  let files = new Map<string, TarEntry>();
  for await (const entry of readTar(chunks, options)) {
    const parts = splitKey(entry.name);
    if (!parts) continue;
    // A second file of one extension is a sample of its own: two tars put together, say.
    if (key !== undefined && (parts.key !== key || files.has(parts.extension) || files.size >= MAX_FILES)) {
      yield { key, files };
      files = new Map();
    }
    key = parts.key;
    files.set(parts.extension, entry);
  }
  if (key !== undefined) yield { key, files };
}
