import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runLocally } from '../src/executors/index.ts';
import { carriesEntities, parseWat, readWarc, type WarcRecord } from '../src/formats/index.ts';
import { pairUid } from '../src/schema/index.ts';
import { normalizeText, pageBase, resolveImage } from '../src/stages/link.ts';
import { readPairs } from '../src/stages/tables.ts';
import { fileStorage, streamFile } from '../src/storage/index.ts';
import { explain, type LinkSeen } from './difference-rules.ts';

/** Prints, for each metadata record, its images with a text: as written, made absolute, and the base. */
const REFERENCE = `
import json, sys
sys.path.insert(0, sys.argv[1])
import reference as r
for headers, payload in r.read_records(r.load(sys.argv[2])):
    if headers.get("warc-type") == "metadata":
        links = [l for l in r.pairs_of(json.loads(payload)) if l[2] is not None]
        print(json.dumps(links))
`;

/** A rule, or several that make a difference together. */
interface Class {
  links: number;
  readonly pairs: Set<string>;
  /** Distinct pairs more here than by the reference, less those fewer. */
  distinct: number;
  example: LinkSeen;
}

const NOTHING = '';

/**
 * Lists why the distinct pairs of some WAT files are others than by the rule of ../shared/peers/extract/reference.py:
 * each link is taken by both, and each difference has to be explained by rules. Ours are checked against what extract
 * and dedup leave. Sets the exit status where something is unexplained.
 *
 * @param harness folder of reference.py
 */
export async function listDifferences(wats: readonly string[], harness: string): Promise<void> {
  const classes = new Map<string, Class>();
  const unexplained: LinkSeen[] = [];
  /** Pairs of the reference with the pairs that they are here, and the other way round; NOTHING where dropped. */
  const [theirs, ours] = [new Map<string, Map<string, string>>(), new Map<string, Map<string, string>>()];
  let links = 0;
  for (const wat of wats)
    for await (const link of linksOf(wat, harness)) {
      links++;
      const their = /^https?:\/\//.test(link.theirs.url) ? keyOf(link.theirs.url, link.theirs.text) : NOTHING;
      const our =
        link.ours.url === undefined || link.ours.text === '' ? NOTHING : keyOf(link.ours.url, link.ours.text);
      const rules = their === our ? undefined : explain(link);
      const name = rules?.join(' + ') || 'UNEXPLAINED';
      if (their !== NOTHING) relate(theirs, their, our, name);
      if (our !== NOTHING) relate(ours, our, their, name);
      if (their === our) continue;
      if (!rules?.length) unexplained.push(link);
      const found = classes.get(name) ?? { links: 0, pairs: new Set(), distinct: 0, example: link };
      classes.set(name, found);
      found.links++;
      found.pairs.add(their === NOTHING ? our : their);
    }
  count(theirs, 1, classes);
  count(ours, -1, classes);
  print(classes, links, theirs.size, ours.size);
  const left = await extracted(wats);
  const same = left.size === ours.size && [...ours.keys()].every((key) => left.has(uidOf(key)));
  process.stdout.write(`\nextract and dedup leave ${same ? 'exactly these' : `OTHERS: ${left.size}`}\n`);
  for (const link of unexplained.slice(0, 20)) process.stdout.write(`unexplained: ${JSON.stringify(link)}\n`);
  if (unexplained.length > 0 || !same) process.exitCode = 1;
}

const keyOf = (url: string, text: string) => `${url}\0${text}`;

function uidOf(key: string): string {
  const [url = '', ...text] = key.split('\0');
  return pairUid(url, text.join('\0'));
}

function relate(all: Map<string, Map<string, string>>, from: string, to: string, rules: string): void {
  const found = all.get(from) ?? new Map<string, string>();
  all.set(from, found);
  if (!found.has(to)) found.set(to, rules);
}

/**
 * How many distinct pairs each class makes more: a pair that is two on the other side counts one, a pair that is none there
 * takes one away. Over both sides these add up to the difference of the two numbers of pairs.
 */
function count(
  all: ReadonlyMap<string, ReadonlyMap<string, string>>,
  sign: 1 | -1,
  classes: ReadonlyMap<string, Class>,
): void {
  for (const [pair, others] of all) {
    const real = [...others].filter(([other]) => other !== NOTHING);
    const add = (rules: string, n: number) => {
      const found = classes.get(rules);
      if (found) found.distinct += n * sign;
    };
    if (real.length === 0) for (const rules of others.values()) add(rules, -1);
    // One of several is the pair itself: where it is the same on both sides, that one.
    const itself = real.find(([other]) => other === pair) ?? real[0];
    for (const other of real) if (other !== itself) add(other[1], 1);
  }
}

/** The images with a text of a file, as the reference reads them beside what gleaner makes of them. */
async function* linksOf(wat: string, harness: string): AsyncGenerator<LinkSeen> {
  const python = spawn('python3', ['-c', REFERENCE, harness, wat], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(python, 'close');
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  let decodeEntities = false;
  const options = { path: wat, fileKind: 'WAT', maxRecordBytes: 64 << 20 } as const;
  for await (const record of readWarc(streamFile(wat), options)) {
    if (record.kind === 'damage') throw new Error(`${wat}: a damaged record`);
    if (record.type === 'warcinfo') decodeEntities = carriesEntities(record);
    if (record.type !== 'metadata') continue;
    const line = await lines.next();
    if (line.done) throw new Error(`${wat}: the reference has fewer records`);
    yield* linksOfRecord(record, JSON.parse(line.value) as [string, string, string][], decodeEntities);
  }
  const [status] = await ended;
  if (status !== 0 || !(await lines.next()).done)
    throw new Error(`${wat}: the reference ended otherwise (${status})`);
}

function* linksOfRecord(
  record: WarcRecord,
  reference: readonly (readonly [url: string, absolute: string, text: string])[],
  decodeEntities: boolean,
): Generator<LinkSeen> {
  const page = parseWat(record.payload, { decodeEntities, imagesOnly: true });
  const images = page.kept
    ? page.value.links.filter(({ path, url, alt }) => path === 'IMG@/src' && url !== undefined && alt)
    : [];
  if (images.length !== reference.length)
    throw new Error(
      `record at ${record.offset}: ${images.length} images, by the reference ${reference.length}`,
    );
  if (!page.kept) return;
  const base = pageBase(page.value);
  const written =
    page.value.base === undefined ? page.value.url : new URL(page.value.base, page.value.url).href;
  for (const [i, [url, absolute, text]] of reference.entries()) {
    const resolved = resolveImage(images[i]?.url, base);
    yield {
      raw: { url, text },
      theirs: { url: absolute, text },
      base: written,
      ours: { url: resolved.kept ? resolved.value : undefined, text: normalizeText(images[i]?.alt ?? '') },
      carriesEntities: decodeEntities,
    };
  }
}

/** The uids that extract and dedup leave of the files. */
async function extracted(wats: readonly string[]): Promise<ReadonlySet<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-differences-'));
  try {
    const recipe = join(folder, 'plain.yaml');
    await writeFile(recipe, 'name: plain\nextract:\n  detectLanguage: false\n');
    const out = join(folder, 'out');
    await runLocally({ recipe, wats, out, until: 'dedup' });
    const storage = fileStorage(out);
    const uids = new Set<string>();
    for (const path of await storage.list('unique'))
      for await (const { uid } of readPairs(storage, path)) uids.add(uid);
    return uids;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** White space as an escape sequence, but for single blanks. */
function visible(text: string): string {
  return text.replace(
    /[^\S ]|(?<= ) | (?= )/g,
    (space) => `\\u${space.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function print(classes: ReadonlyMap<string, Class>, links: number, theirs: number, ours: number): void {
  const number = (n: number) => n.toLocaleString('en');
  const signed = (n: number) => (n > 0 ? `+${number(n)}` : n === 0 ? '' : `−${number(-n)}`);
  const code = (text: string) => `\`${visible(text).replaceAll('|', '\\|').slice(0, 160)}\``;
  process.stdout.write(
    `${number(links)} images with a text; distinct pairs: ${number(theirs)} by the reference, ${number(ours)} here\n\n` +
      '| rule | images | pairs | distinct pairs more or fewer | by the reference | here |\n| --- | --- | --- | --- | --- | --- |\n',
  );
  for (const [rule, { links: n, pairs, distinct, example }] of [...classes].sort(
    ([, a], [, b]) => b.pairs.size - a.pairs.size,
  )) {
    const { theirs: from, ours: to } = example;
    const [a, b] =
      from.url === to.url
        ? [JSON.stringify(from.text), JSON.stringify(to.text)]
        : [from.url, to.url ?? 'dropped'];
    process.stdout.write(
      `| ${rule} | ${number(n)} | ${number(pairs.size)} | ${signed(distinct)} | ${code(a)} | ${code(b)} |\n`,
    );
  }
  process.stdout.write(
    `| all | | | ${signed([...classes.values()].reduce((sum, { distinct }) => sum + distinct, 0))} | | |\n`,
  );
}
