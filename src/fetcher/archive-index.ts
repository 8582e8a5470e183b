import { readWarc, targetUri, type WarcRecord } from '../formats/index.ts';
import type { ByteSource } from '../storage/index.ts';
import { parseTarget } from './target.ts';

/** A WARC file that holds images. */
export interface ArchiveFile {
  /** What messages call it. */
  readonly name: string;
  /** All its bytes in order, for one pass that finds the records. */
  open(): AsyncIterable<Uint8Array>;
  /** Random access, asked for once, when the first image is read. */
  source(): Promise<ByteSource & { close?(): Promise<void> }>;
}

/** Where a record lies, and no more: an index of millions of them stays in memory. */
export interface ArchiveEntry {
  readonly file: ArchiveFile;
  /** Of the record or its gzip member, in bytes. */
  readonly offset: number;
  /** Where the next one begins; undefined for the last. */
  end: number | undefined;
  /** Bytes of the decompressed member before the record. */
  readonly skip: number;
  /** Of a response; 200 for a resource, which has no HTTP message; 'revisit' for one that names another record. */
  readonly status: number | 'revisit';
}

export interface ArchiveIndex {
  readonly entries: ReadonlyMap<string, ArchiveEntry>;
  /** Stretches of the files that gave no record. */
  readonly damaged: number;
}

/**
 * Reads the files once, from first to last, and notes where the answer for each URL lies: the first with status
 * 200, else the first of all.
 * @throws GleanerError NOT_WARC, and what the files throw; the reason of `signal`
 */
export async function indexArchive(
  files: readonly ArchiveFile[],
  maxRecordBytes: number,
  signal: AbortSignal,
): Promise<ArchiveIndex> {
  const entries = new Map<string, ArchiveEntry>();
  let damaged = 0;
  for (const file of files) {
    // Several records may lie in one gzip member; all of them end where the next member begins.
    let unended: ArchiveEntry[] = [];
    for await (const item of readWarc(file.open(), { path: file.name, fileKind: 'WARC', maxRecordBytes })) {
      signal.throwIfAborted();
      const [first] = unended;
      if (first && item.offset > first.offset) {
        for (const entry of unended) entry.end = item.offset;
        unended = [];
      }
      if (item.kind === 'damage') {
        damaged++;
        continue;
      }
      const status = answerStatus(item);
      const target = status === undefined ? undefined : parseTarget(targetUri(item));
      if (status === undefined || !target?.kept) continue;
      const known = entries.get(target.value.href);
      if (known && (known.status === 200 || status !== 200)) continue;
      const entry = { file, offset: item.offset, end: undefined, skip: item.skip, status };
      entries.set(target.value.href, entry);
      unended.push(entry);
    }
  }
  return { entries, damaged };
}

function answerStatus(record: WarcRecord): ArchiveEntry['status'] | undefined {
  switch (record.type) {
    case 'response': {
      const line = String.fromCharCode(...record.payload.subarray(0, 16));
      const status = /^HTTP\/\d(?:\.\d)?[ \t]+(\d{3})/i.exec(line)?.[1];
      return status === undefined ? undefined : Number(status);
    }
    case 'resource':
      return 200;
    case 'revisit':
      return record.headers.has('warc-refers-to-target-uri') ? 'revisit' : undefined;
    default:
      return undefined;
  }
}
