import { createReadStream, existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { getLIDModel } from 'fasttext.wasm.js';
import { carriesEntities, parseWat, readWarc } from '../src/formats/index.ts';
import { loadLanguageDetector } from '../src/stages/language.ts';
import { normalizeText, pageBase, resolveImage } from '../src/stages/link.ts';

/** As recipe laion400m: shorter texts are dropped before their language would be told. */
const MIN_CHARS = 5;
const MAX_RECORD_BYTES = 64 << 20;
const ROUNDS = 3;

/**
 * What telling the language of a text costs, here and by fastText compiled to WebAssembly, on the alternative texts of
 * a WAT file in their order; and how many texts of several would be told before dedup and after it. `--wats` names the
 * files, parted by commas. CPU time is that of the process: compilers and collectors beside the main thread count.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { wats: { type: 'string', default: '' } } });
  const wats = values.wats.split(',').filter((name) => name !== '');
  if (wats.length === 0 || !wats.every((wat) => existsSync(wat))) {
    process.stdout.write('skipped: make WATs with ../shared/peers/extract/make-wat.py, then --wats A,B\n');
    return;
  }
  const texts: string[] = [];
  const unique = new Set<string>();
  let all = 0;
  for (const wat of wats)
    for await (const { url, text } of pairsOf(wat)) {
      all++;
      unique.add(`${url}\0${text}`);
      if (wat === wats[0]) texts.push(text);
    }

  process.stdout.write(`Node ${process.versions.node}, ${texts.length} texts\n\n`);
  process.stdout.write('| | loading, CPU ms | µs a text | µs a text, when warm |\n');
  process.stdout.write('| --- | --- | --- | --- |\n');
  await row('gleaner', texts, loadLanguageDetector);
  await row('fasttext.wasm.js', texts, async () => {
    const model = await (await getLIDModel()).load();
    return (text) => {
      const guesses = model.predict(text, 2, 0);
      if (guesses.size() > 0) guesses.get(0);
      guesses.delete();
    };
  });
  process.stdout.write(`\n${wats.length} files: ${all} texts told before dedup, ${unique.size} after it\n`);
}

async function row(
  name: string,
  texts: readonly string[],
  load: () => Promise<(text: string) => void>,
): Promise<void> {
  const began = process.cpuUsage();
  const detect = await load();
  const loading = milliseconds(began);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (const text of texts) detect(text);
    rounds.push((1000 * milliseconds(start)) / texts.length);
  }
  const [first = 0, ...later] = rounds;
  const cells = [name, loading.toFixed(0), first.toFixed(1), Math.min(...later).toFixed(1)];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

function milliseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** Pairs whose language extract would tell. */
async function* pairsOf(path: string): AsyncGenerator<{ url: string; text: string }> {
  const source = readWarc(createReadStream(path), {
    path,
    fileKind: 'WAT',
    maxRecordBytes: MAX_RECORD_BYTES,
  });
  let decodeEntities = false;
  for await (const entry of source) {
    if (entry.kind === 'damage') continue;
    if (entry.type === 'warcinfo') decodeEntities = carriesEntities(entry);
    if (entry.type !== 'metadata') continue;
    const page = parseWat(entry.payload, { decodeEntities, imagesOnly: true });
    if (!page.kept) continue;
    const base = pageBase(page.value);
    for (const link of page.value.links) {
      const text = normalizeText(link.alt ?? '');
      const url = resolveImage(link.url, base);
      if (url.kept && [...text].length >= MIN_CHARS) yield { url: url.value, text };
    }
  }
}
