import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tarOf } from '../embed/datasets.ts';
import { batchesOf, pictureOf, SMALL, writeTars } from './datasets.ts';
import { python } from './python.ts';

/** Key, caption and levels of the first pixel of each sample, as webdataset and Pillow have them. */
const READ = `
import json, sys, warnings
warnings.filterwarnings("ignore")
import webdataset as wds
for sample in wds.WebDataset(sys.argv[1], shardshuffle=False, nodesplitter=None).decode("pil"):
    if "png" in sample and "txt" in sample:
        print(json.dumps([sample["__key__"], sample["txt"], sample["png"].getpixel((0, 0))]))
`;

it('reads the samples that webdataset reads, with their keys, captions and pixels', async ({ skip }) => {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-webdataset-'));
  try {
    await writeTars(folder, [3, 4]);
    // Folders in names, several dots, a long name, samples without a picture or a caption.
    const odd = tarOf(
      [
        ['a/b/one.two.png', await pictureOf(100)],
        ['a/b/one.png', await pictureOf(101)],
        ['a/b/one.txt', Buffer.from('in a folder')],
        [`${'n'.repeat(120)}.png`, await pictureOf(102)],
        [`${'n'.repeat(120)}.txt`, Buffer.from('a long name')],
        ['alone.png', await pictureOf(103)],
        ['text.txt', Buffer.from('alone')],
      ],
      'pax',
    );
    await writeFile(join(folder, '00002.tar'), odd);
    const tars = join(folder, '{00000..00002}.tar');
    const told = python(READ, ['webdataset', 'PIL'], [tars]);
    if (told === undefined) return skip('no Python with webdataset and Pillow; name one with GLEANER_PYTHON');
    const theirs: unknown[] = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const batches = await batchesOf({ ...SMALL, batchSize: 1, imageSize: 1, shuffle: 0, from: tars });
    expect(batches.map(({ keys, texts, images }) => [keys[0], texts[0], [...images]])).toEqual(theirs);
    expect(theirs).toHaveLength(9);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
