import { readLines } from '../formats/index.ts';
import { matchDetail, parseMatch } from '../safety/known-content.ts';
import { type DroppedRow, GleanerError } from '../schema/index.ts';
import type { FileInfo, Storage } from '../storage/index.ts';
import { writeFile } from './write-file.ts';

/** What was dropped as known content: what it is called, and what `parseMatch` reads. Nothing else of it is kept. */
export interface KnownEntry {
  /** Of a pair its uid, of a sample of a download its key. */
  readonly id: string;
  readonly detail: string;
}

/** What the trail says of a pair that is known content: that there was one. */
export const UNNAMED: Omit<DroppedRow, 'reason'> = {
  uid: '',
  url: '',
  text: '',
  pageUrl: '',
  wat: '',
  license: '',
  language: '',
  languageConfidence: 0,
  detail: '',
  similarity: null,
};

/**
 * Writes the restricted report of a shard, in the order of its pairs or samples, for its owner's eyes alone (mode 0600).
 * @param idName what an entry's id is called in it
 */
export function writeKnownContent(
  storage: Storage,
  path: string,
  entries: readonly KnownEntry[],
  idName: 'uid' | 'key' = 'uid',
): Promise<FileInfo> {
  const lines = entries.map(({ id, detail }) => {
    const match = parseMatch(detail);
    if (!match) throw new Error('something is known content that is on no list');
    return `${JSON.stringify({ [idName]: id, ...match })}\n`;
  });
  return writeFile(storage, path, async (sink) => sink.write(Buffer.from(lines.join(''))), {
    restricted: true,
  });
}

/**
 * The restricted report of a shard; nothing where it has none.
 * @throws GleanerError DAMAGED
 */
export async function* readKnownContent(
  storage: Storage,
  path: string,
): AsyncGenerator<KnownEntry, void, undefined> {
  if ((await storage.size(path)) === undefined) return;
  for await (const line of readLines(storage.stream(path), { name: path })) {
    const [, id, list, kind, hash] =
      /^\{"(?:uid|key)":"(\w+)","list":("(?:[^"\\]|\\.)*"),"kind":"(\w+)","hash":"([0-9a-f]+)"\}$/.exec(
        line,
      ) ?? [];
    const match = parseMatch(`${kind} ${hash} ${list === undefined ? '' : JSON.parse(list)}`);
    // The line itself is not told.
    if (!id || !match) throw new GleanerError('DAMAGED', { path, problem: 'has a line that is no match.' });
    yield { id, detail: matchDetail(match) };
  }
}
