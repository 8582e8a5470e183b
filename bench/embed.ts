import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadClip, resolveModel } from '../src/clip/index.ts';
import { parseWat, readWarc } from '../src/formats/index.ts';
import type { RgbImage } from '../src/schema/index.ts';
import { normalizeText } from '../src/stages/link.ts';

const WAT = join(import.meta.dirname, '..', '..', 'shared', 'data', 'wat/generated/gimp-help-en.warc.wat.gz');
const TEXTS = 512;
const IMAGES = 64;
const ROUNDS = 3;

/**
 * What a model costs as harvest asks it: captions of a WAT in their order, and pictures of noise, 32 at a time, one thread.
 * CPU time of the process, medians of three rounds.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string', default: 'gleaner-mini' },
      wat: { type: 'string', default: WAT },
      batch: { type: 'string', default: '32' },
    },
  });
  if (!existsSync(values.wat)) {
    process.stdout.write(`skipped: there is no ${values.wat}; name your own with --wat\n`);
    return;
  }
  const texts = await textsOf(values.wat);
  const images = Array.from({ length: IMAGES }, (_, n) => noise(n));
  await using model = await opened(values.model);
  const batch = Number(values.batch);
  const text = await measure(texts, batch, (some) => model.clip.embedTexts(some));
  const image = await measure(images, batch, (some) => model.clip.embedImages(some));
  process.stdout.write(
    `Node ${process.versions.node}, ${model.clip.name}, ${batch} at a time: ${text} CPU ms a text (of ${texts.length}), ${image} an image\n`,
  );
}

async function opened(name: string) {
  const clip = await loadClip(resolveModel(name));
  return { clip, [Symbol.asyncDispose]: () => clip.close() };
}

async function measure<T>(
  items: readonly T[],
  batch: number,
  embed: (some: readonly T[]) => Promise<Float32Array>,
): Promise<string> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.cpuUsage();
    for (let from = 0; from < items.length; from += batch) await embed(items.slice(from, from + batch));
    const { user, system } = process.cpuUsage(began);
    rounds.push((user + system) / 1000 / items.length);
  }
  return (rounds.sort((a, b) => a - b)[1] ?? 0).toPrecision(3);
}

/** Texts that are all different: equal ones of a batch are computed once. */
async function textsOf(path: string): Promise<string[]> {
  const texts = new Set<string>();
  const source = readWarc(createReadStream(path), { path, fileKind: 'WAT', maxRecordBytes: 64 << 20 });
  for await (const entry of source) {
    if (entry.kind === 'damage' || entry.type !== 'metadata') continue;
    const page = parseWat(entry.payload, { imagesOnly: true });
    if (!page.kept) continue;
    for (const { alt } of page.value.links) if (alt) texts.add(normalizeText(alt));
    if (texts.size >= TEXTS) break;
  }
  return [...texts].slice(0, TEXTS);
}

function noise(n: number): RgbImage {
  let state = n + 1;
  const data = Uint8Array.from({ length: 256 * 256 * 3 }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state >> 8;
  });
  return { data, width: 256, height: 256 };
}
