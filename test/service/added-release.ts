import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openIndex } from '../../src/service/index.ts';
import { INDEX_FILES } from '../../src/stages/index-files.ts';
import type { Sample } from './small-release.ts';

/** Samples as rows of a release of their own: numbers and keys from 0 up. */
export function numbered(samples: readonly Sample[]): Sample[] {
  return samples.map(({ row, image }, id) => ({
    row: { ...row, sampleId: BigInt(id), key: String(id).padStart(12, '0') },
    image,
  }));
}

/** All that searches say of an index, to be compared with that of another. */
export async function contentsOf(dir: string) {
  const index = await openIndex(dir);
  try {
    const { places } = index.rows;
    const ids = Array.from({ length: places }, (_, id) => id);
    const rows = [];
    const vectors = await Promise.all([index.image.fetch(ids), index.text.fetch(ids)]);
    for (const id of ids) {
      const row = index.rows.get(id);
      const picture = row && (await index.images.get(id, row.key));
      rows.push({
        uid: row?.uid,
        picture: picture && hash('sha256', picture),
        vectors: vectors.map((of) => hash('sha256', Buffer.from(of.get(id)?.buffer ?? new ArrayBuffer()))),
      });
    }
    return {
      rows,
      fields: index.fields.counts({}, ['language', 'nsfw', 'license', 'host'], { limit: 100 }),
      present: [...index.fields.matching({})],
      words: await index.captions.search('circle square triangle', { k: 1000 }),
      near: await index.image.search(vectors[0].get(0) ?? new Float32Array(), { k: 1000 }),
      summary: JSON.parse(await readFile(join(dir, INDEX_FILES.summary), 'utf8')) as unknown,
      recall: (JSON.parse(await readFile(join(dir, INDEX_FILES.recall), 'utf8')) as { added?: number }).added,
    };
  } finally {
    await index.close();
  }
}
