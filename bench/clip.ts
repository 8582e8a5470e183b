import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createTarWriter, readNpyRows } from '../src/formats/index.ts';
import { fileStorage, openFile } from '../src/storage/index.ts';
import { measureTree } from './process-tree.ts';
import { makeRandomClip } from './random-clip.ts';

const ROOT = join(import.meta.dirname, '..');
const HARNESS = join(ROOT, '../shared/peers/clip');
/** The threshold of LAION-400M. */
const THRESHOLD = 0.3;

interface Row {
  readonly name: string;
  readonly cpu: number;
  /** 0 where it was not looked at. */
  readonly peakMB: number;
}

/**
 * `gleaner embed` as a whole process, fp32 and int8, beside onnxruntime-node's loop over ready tensors and the whole of
 * `clip-retrieval inference`, on the same photos with captions: CPU-seconds, pairs a CPU-second beside the
 * loop's, peak memory; then what int8 costs. The model is a random ViT-B/32 of full size, made by make-clip-onnx.py.
 * `--peers` names the folder that the setup.sh of ../shared/peers/clip made.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '' },
      photos: { type: 'string', default: join(ROOT, '../shared/data/zeroshot-imagenet1000') },
      batch: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '1' },
      ways: { type: 'string', default: 'loop,embed,retrieval' },
    },
  });
  const python = resolve(values.peers, 'venv/bin/python');
  if (values.peers === '' || !existsSync(python) || !existsSync(values.photos)) {
    process.stdout.write(
      'skipped: the model needs Python; make it with ../shared/peers/clip/setup.sh, then --peers DIR\n',
    );
    return;
  }
  const models = await makeRandomClip(python, resolve(values.peers, 'gleaner-bench'));
  const work = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  const rows: Row[] = [];
  const done = (row: Row) => {
    rows.push(row);
    process.stderr.write(`${row.name}: ${row.cpu.toFixed(1)} CPU-s, ${row.peakMB.toFixed(0)} MB\n`);
  };
  try {
    const tar = join(work, 'photos.tar');
    const pairs = await makeTar(values.photos, tar);
    await makeTar(values.photos, join(work, 'one.tar'), 1);
    const ways = values.ways.split(',');
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const kind of ['fp32', 'int8'] as const) {
        if (ways.includes('loop'))
          done({ name: `loop, ${kind}`, ...(await loop(models[kind], tar, values.batch)) });
        if (!ways.includes('embed')) continue;
        for (const [name, input] of [
          [`gleaner embed, ${kind}, one pair`, join(work, 'one.tar')],
          [`gleaner embed, ${kind}`, tar],
        ] as const) {
          const out = join(work, kind);
          await rm(out, { recursive: true, force: true });
          const command = [
            'embed',
            input,
            '--out',
            out,
            '--model',
            models[kind],
            '--batch-size',
            values.batch,
          ];
          done({
            name,
            ...(await measureTree([process.execPath, join(ROOT, 'bin/gleaner.js'), ...command])),
          });
        }
      }
      if (ways.includes('retrieval')) {
        const command = [python, join(HARNESS, 'bench-retrieval.py'), tar, join(work, 'theirs')];
        done({ name: 'clip-retrieval inference', ...(await measureTree(command)) });
      }
    }
    print(rows, pairs);
    if (ways.includes('embed'))
      process.stdout.write(`${await int8Cost(join(work, 'fp32'), join(work, 'int8'))}\n`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As make-tar.py: key.jpg, key.txt, key.json for each photo. */
async function makeTar(photos: string, path: string, most?: number): Promise<number> {
  const labels = await readFile(join(photos, 'labels.jsonl'), 'utf8');
  const all = labels.split('\n').filter((line) => line !== '');
  const lines = all.slice(0, most);
  const file = await fileStorage(dirname(path)).create(basename(path));
  const tar = createTarWriter(file);
  for (const [i, line] of lines.entries()) {
    const { image, label } = JSON.parse(line) as { image: string; label: string };
    const found =
      [join(photos, image), join(photos, 'images', image)].find((place) => existsSync(place)) ?? image;
    const key = String(i).padStart(9, '0');
    const caption = `a photo of a ${label}`;
    await tar.add(`${key}.jpg`, await readFile(found));
    await tar.add(`${key}.txt`, Buffer.from(caption));
    await tar.add(`${key}.json`, Buffer.from(JSON.stringify({ caption, key })));
  }
  await tar.finish();
  await file.commit();
  return lines.length;
}

async function loop(model: string, tar: string, batch: string): Promise<Pick<Row, 'cpu' | 'peakMB'>> {
  const command = [join(import.meta.dirname, 'clip-loop.ts'), model, tar, batch];
  const { stdout } = await promisify(execFile)(process.execPath, command);
  const { images, texts } = JSON.parse(stdout) as { images: number; texts: number };
  process.stderr.write(`  images ${images.toFixed(1)}, captions ${texts.toFixed(1)}\n`);
  return { cpu: images + texts, peakMB: 0 };
}

/** The least of the rounds, since other work on the machine only ever adds. */
function print(rows: readonly Row[], pairs: number): void {
  const least = new Map<string, Row>();
  for (const row of rows) if (row.cpu < (least.get(row.name)?.cpu ?? Infinity)) least.set(row.name, row);
  const theirs = least.get('clip-retrieval inference')?.cpu;
  process.stdout.write(
    `| ${pairs} pairs | CPU-s / 1,000 | of the loop's rate | clip-retrieval ÷ | peak MB |\n`,
  );
  for (const { name, cpu, peakMB } of least.values()) {
    const own = least.get(name.replace('gleaner embed', 'loop'))?.cpu;
    const cells = [
      ((1000 * cpu) / pairs).toFixed(1),
      own === undefined ? '' : (own / cpu).toFixed(2),
      theirs === undefined ? '' : (theirs / cpu).toFixed(1),
      peakMB === 0 ? '' : peakMB.toFixed(0),
    ];
    process.stdout.write(`| ${name} | ${cells.join(' | ')} |\n`);
  }
}

/** Cosines between the embeddings of both kinds, and whether they decide alike about each pair. */
async function int8Cost(fp32: string, int8: string): Promise<string> {
  const read = async (out: string, name: string) => {
    const source = await openFile(join(out, `${name}_emb/${name}_emb_0.npy`));
    const values = await readNpyRows(source);
    await source.close();
    return values;
  };
  const [exact, coarse] = [
    { image: await read(fp32, 'img'), text: await read(fp32, 'text') },
    { image: await read(int8, 'img'), text: await read(int8, 'text') },
  ];
  const alike = (one: Float32Array, other: Float32Array) => {
    const cosines = rowDots(one, other).sort((a, b) => a - b);
    return `${cosines[0]?.toFixed(4)} at least, ${cosines[cosines.length >> 1]?.toFixed(4)} in the median`;
  };
  const passes = ({ image, text }: typeof exact) => rowDots(image, text).map((cosine) => cosine >= THRESHOLD);
  const [one, other] = [passes(exact), passes(coarse)];
  const same = one.filter((pass, i) => pass === other[i]).length;
  return `int8 beside fp32: cosine of images ${alike(exact.image, coarse.image)}; of texts ${alike(exact.text, coarse.text)}; of ${one.length} pairs ${same} decided alike at ${THRESHOLD} (${one.filter(Boolean).length} pass)`;
}

/** Of rows of 512: what a ViT-B/32 gives. */
function rowDots(one: Float32Array, other: Float32Array): number[] {
  return Array.from({ length: one.length / 512 }, (_, row) => {
    let [dot, a, b] = [0, 0, 0];
    for (let i = row * 512; i < (row + 1) * 512; i++) {
      dot += one[i]! * other[i]!;
      a += one[i]! ** 2;
      b += other[i]! ** 2;
    }
    return dot / Math.sqrt(a * b);
  });
}
