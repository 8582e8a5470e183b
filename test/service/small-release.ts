import { hash } from 'node:crypto';
import { createNpyWriter, createParquetWriter, createTarWriter } from '../../src/formats/index.ts';
import { type Nsfw, pairUid, type Row } from '../../src/schema/index.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../../src/stages/released.ts';
import type { StageContext } from '../../src/stages/stage.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { releaseRecord, sampleJson } from '../support/released-row.ts';
import {
  COLOURS,
  type Colour,
  DIMENSION,
  drawing,
  embedPicture,
  embedWords,
  SHAPES,
  type Shape,
  shapeEmbedder,
} from './shapes.ts';

export interface Sample {
  readonly row: Row;
  readonly image: Buffer;
}

/** Texts and addresses as an enemy would have them, by SAMPLE_ID. */
export const HOSTILE = new Map<number, { text?: string; pageUrl?: string; license?: string; url?: string }>([
  [
    1,
    { text: '<script>globalThis.hacked = 1</script><img src=x onerror="globalThis.hacked = 1"> red square' },
  ],
  [2, { pageUrl: 'javascript:globalThis.hacked=1', license: 'javascript:globalThis.hacked=1' }],
  [3, { text: '\u202eerauqs der\u202c \u2066abc \u202e end' }],
  [4, { text: 'red square '.repeat(1000).slice(0, 10_000) }],
  [5, { url: 'data:text/html,<script>globalThis.hacked=1</script>', pageUrl: '' }],
]);

const SIZES = [
  [320, 240],
  [240, 320],
  [256, 256],
  [512, 256],
  [240, 480],
] as const;

/** 75 pictures, red squares first; row 0 is NSFW, row 6 UNSURE. */
export async function samples(): Promise<Sample[]> {
  const out: Sample[] = [];
  for (const colour of Object.keys(COLOURS) as Colour[])
    for (const shape of ['square', 'circle', 'triangle'] as const satisfies readonly Shape[])
      for (const [width, height] of SIZES) {
        const id = out.length;
        const image = await drawing(colour, shape, width, height);
        const url = `https://images.example/${colour}/${shape}-${width}x${height}.jpg`;
        const text = `A ${colour} ${shape}, number ${id}`;
        const nsfw: Nsfw = id === 0 ? 'NSFW' : id === 6 ? 'UNSURE' : 'UNLIKELY';
        const row: Row = {
          sampleId: BigInt(id),
          uid: pairUid(url, text),
          url,
          text,
          pageUrl: `https://pages.example/${colour}`,
          wat: `small.wat.gz#${id}`,
          license: id % 3 === 0 ? 'https://creativecommons.org/licenses/by/4.0/' : '?',
          language: 'en',
          languageConfidence: 0.75,
          width: width * 4,
          height: height * 4,
          storedWidth: width,
          storedHeight: height,
          format: 'jpeg',
          sha256: hash('sha256', image, 'hex'),
          tags: '',
          phash: '0'.repeat(16),
          nsfw,
          harvestedAt: '2026-11-21T20:15:00Z',
          similarity: 0.3 + SHAPES[shape] / 10,
          key: String(id).padStart(12, '0'),
          ...HOSTILE.get(id),
        };
        out.push({ row, image });
      }
  return out;
}

/** Writes DIR/release as the release stage does, in four parts of which the third is empty. */
export async function writeRelease(dir: string, all: readonly Sample[]): Promise<void> {
  const storage = fileStorage(dir);
  const cut = [all.slice(0, 30), all.slice(30, 50), [], all.slice(50)];
  for (const [part, some] of cut.entries()) {
    const files = releaseFiles(part, cut.length);
    const metadata = await storage.create(files.metadata);
    const table = createParquetWriter(metadata, RELEASE_COLUMNS);
    // Row groups smaller than a part, as large releases have them.
    for (let i = 0; i < some.length; i += 16)
      await table.writeRowGroup(some.slice(i, i + 16).map(({ row }) => releaseRecord(row)));
    await table.finish();
    await metadata.commit();

    const images = await storage.create(files.images);
    const tar = createTarWriter(images);
    for (const { row, image } of some) {
      await tar.add(`${row.key}.jpg`, image);
      await tar.add(`${row.key}.json`, Buffer.from(sampleJson(row)));
      await tar.add(`${row.key}.txt`, Buffer.from(row.text));
    }
    await tar.finish();
    await images.commit();

    for (const kind of ['imageEmbeddings', 'textEmbeddings'] as const) {
      const file = await storage.create(files[kind]);
      const shape = {
        dtype: 'float16',
        rows: some.length,
        columns: some.length === 0 ? 0 : DIMENSION,
      } as const;
      const matrix = await createNpyWriter(file, shape);
      for (const { row, image } of some)
        await matrix.writeRows(kind === 'imageEmbeddings' ? await embedPicture(image) : embedWords(row.text));
      await matrix.finish();
      await file.commit();
    }
  }
  const { name, dimension, files } = shapeEmbedder;
  const stats = { rows: all.length, parts: cut.length, model: { name, dimension, files }, funnel: [] };
  await storage.put('release/stats.json', JSON.stringify(stats));
}

export function stageContext(dir: string, progress: (done: number) => void = () => {}): StageContext {
  return { storage: fileStorage(dir), signal: new AbortController().signal, progress };
}
