/**
 * What a crawl by a fleet costs: `node scripts/cost.ts` prints the tables of docs/operations.md, and a test holds the two
 * together. Every assumption and price is an option, as `--cpuHour 0.015 --wats 90000`; `--help` lists them with
 * their values.
 */
import { parseArgs } from 'node:util';
import { CRAWL, UNIT } from './scale.ts';

/** What nobody can measure for you. Prices in US dollars, as an on-demand list of a large cloud has them, rounded. */
export const ASSUMPTIONS = {
  /** WAT files. */
  wats: 1000,
  /** Share of links with a text that the recipe's text filters keep. English pages are less than half of the web. */
  accepted: 0.45,
  /** Share of URLs that give a picture which the recipe accepts. */
  answered: 0.8,
  /** Bytes of such a picture as it is fetched. */
  imageBytes: 90_000,
  /** Share of pictures that match their text: the paper's tenth. */
  matched: 0.1,
  /** Pictures a second that one GPU scores, with --fetch-apart. Not measured by us. */
  gpuImages: 1000,
  /** Days that it may take. */
  days: 7,
  /** Share of their time in which workers have work: planning, ends of stages and lost machines are the rest. */
  busy: 0.8,
  /** Months for which all that lies in the bucket is kept. */
  months: 1,
  cpuHour: 0.04,
  gpuHour: 0.6,
  gigabyteMonth: 0.023,
  /** A thousand requests that read, and that write. */
  gets: 0.0004,
  puts: 0.005,
  /** A day of a managed PostgreSQL with 4 cores and 16 GB. */
  databaseDay: 8,
} as const;
export type Assumptions = { readonly [Name in keyof typeof ASSUMPTIONS]: number };

/** From docs/benchmarks.md, by the name of the section. */
const MEASURED = {
  /** Reading from servers: 419 MB by S3 in .62 to .75 CPU-s, from disk in .24 to .31. */
  readCpuSecondsPerByte: 0.4 / 419e6,
  /**
   * A run beside the chain of its peers: CPU-seconds of a whole `gleaner run` with a ViT-B/32 a picture that came, at fp32
   * and int8; all other stages are in them, so that harvest has less.
   */
  runCpuSecondsPerImage: { fp32: 93.3e-3, int8: 39.7e-3 },
  /** Harvest beside a download and an embed: a picture without the model, 7.59 CPU-s of 3,000. */
  fetchCpuSecondsPerImage: 2.53e-3,
  /** Fetching: a URL at 10,000 origins, a fifth of them bad. */
  cpuSecondsPerUrl: 0.7e-3,
  /** The release: 31 to 35 CPU-s for 1,000,000 rows, and 3.9 CPU-s a GB of pictures. */
  releaseCpuSecondsPerRow: 35e-6 + (3.9 * 15_000) / 1e9,
  /** The release: 5.81 GB of 1,000,000 rows whose pictures have 200 bytes; a stored picture of 256 pixels has 15 kB. */
  bytesPerRow: 5_600 + 15_000,
} as const;
/** Rows of a task of harvest (recipe, harvest.pairsPerTask), and bytes of the database a task, with its history. */
const PAIRS_PER_TASK = 10_000;
const DATABASE_BYTES_PER_TASK = 1_500;
/** The recipe's dedup.watBytesPerBucket. */
const WAT_BYTES_PER_BUCKET = 256 * 2 ** 20;
/** WAT files of one run: more make dedup read too often (docs/scale.md). */
const WATS_PER_RUN = 900;
/** Files that a task of harvest leaves, its manifest with them, and the parts that are put. */
const PUTS_PER_TASK = 10;

/** Work of a crawl, in the units that are bought. */
export interface Work {
  readonly urls: number;
  readonly images: number;
  readonly rows: number;
  readonly tasks: number;
  /** Core-hours by stage; harvest by who runs the model. */
  readonly coreHours: Readonly<Record<'extract' | 'dedup' | 'fp32' | 'int8' | 'fetch' | 'release', number>>;
  readonly gpuHours: number;
  readonly bytesIn: Readonly<Record<'wats' | 'images', number>>;
  readonly bytesKept: number;
  /** What lies in the bucket besides between fetching apart and scoring, at most. */
  readonly bytesApart: number;
  readonly gets: number;
  readonly puts: number;
}

/** What there is to do, of so many WAT files. */
export function workOf(assumptions: Assumptions): Work {
  const { wats, accepted, answered, imageBytes, matched, gpuImages } = assumptions;
  const pairs = wats * CRAWL.pairsPerWat * accepted;
  const urls = pairs * (1 - CRAWL.duplicates);
  const images = urls * answered;
  const rows = images * matched;
  const bucketsPerRun = Math.ceil((Math.min(wats, WATS_PER_RUN) * CRAWL.watBytes) / WAT_BYTES_PER_BUCKET);
  const runs = Math.ceil(wats / WATS_PER_RUN);
  // A task of dedup reads one row group of every file of its run.
  const reads = wats * bucketsPerRun;
  const harvestTasks = Math.ceil(urls / PAIRS_PER_TASK);
  const tasks = wats + runs * bucketsPerRun + harvestTasks;
  const perUrl = MEASURED.cpuSecondsPerUrl * urls;
  const extractSeconds =
    wats *
    (CRAWL.watInflatedBytes * UNIT.extractCpuSecondsPerByte +
      CRAWL.watBytes * MEASURED.readCpuSecondsPerByte);
  const hours = (seconds: number) => seconds / 3600;
  return {
    urls,
    images,
    rows,
    tasks,
    coreHours: {
      extract: hours(extractSeconds),
      dedup: hours(pairs / UNIT.dedupPairsPerCpuSecond + reads * UNIT.dedupCpuSecondsPerRead),
      fp32: hours(perUrl + images * MEASURED.runCpuSecondsPerImage.fp32),
      int8: hours(perUrl + images * MEASURED.runCpuSecondsPerImage.int8),
      fetch: hours(perUrl + images * MEASURED.fetchCpuSecondsPerImage),
      release: hours(rows * MEASURED.releaseCpuSecondsPerRow),
    },
    gpuHours: hours(images / gpuImages),
    bytesIn: { wats: wats * CRAWL.watBytes, images: images * imageBytes },
    bytesKept:
      pairs * UNIT.pairBytes +
      urls * (UNIT.uniqueBytes + UNIT.keyBytes) +
      // The trail names each pair that was dropped, and fetched.parquet each that was asked for.
      (wats * CRAWL.pairsPerWat - rows) * UNIT.droppedBytes +
      urls * UNIT.droppedBytes +
      // Shards of harvest, and the release.
      2 * rows * MEASURED.bytesPerRow,
    bytesApart: images * imageBytes,
    gets: wats + 2 * reads + 4 * tasks,
    puts: wats * 4 + runs * bucketsPerRun * 4 + harvestTasks * PUTS_PER_TASK,
  };
}

type Way = 'fp32' | 'int8' | 'gpu';

/** Dollars by what they are paid for. */
export function dollars(assumptions: Assumptions, way: Way): Readonly<Record<string, number>> {
  const work = workOf(assumptions);
  const { cpuHour, gpuHour, gigabyteMonth, months, gets, puts, databaseDay, days, busy } = assumptions;
  const { extract, dedup, release } = work.coreHours;
  const harvest = work.coreHours[way === 'gpu' ? 'fetch' : way];
  return {
    'extract, dedup, release': ((extract + dedup + release) / busy) * cpuHour,
    'harvest, processors': (harvest / busy) * cpuHour,
    'harvest, GPUs': way === 'gpu' ? (work.gpuHours / busy) * gpuHour : 0,
    // What was fetched apart is there for a tenth of the time, if GPUs keep up.
    storage:
      ((work.bytesKept * months + (way === 'gpu' ? (work.bytesApart * days) / 300 : 0)) / 1e9) *
      gigabyteMonth,
    requests: (work.gets * gets + work.puts * puts) / 1000,
    database: databaseDay * days,
  };
}

/** The first table: what there is to do. */
export function workTable(base: Assumptions, sizes: readonly number[]): string {
  const works = sizes.map((wats) => workOf({ ...base, wats }));
  const rows: readonly (readonly [string, (work: Work, i: number) => string])[] = [
    ['URLs asked for', ({ urls }) => count(urls)],
    ['pictures', ({ images }) => count(images)],
    ['rows released', ({ rows: released }) => count(released)],
    ['tasks', ({ tasks }) => count(tasks)],
    ['database, at most', ({ tasks }) => bytes(tasks * DATABASE_BYTES_PER_TASK)],
    ['read: WAT files', ({ bytesIn }) => bytes(bytesIn.wats)],
    ['read: pictures', ({ bytesIn }) => bytes(bytesIn.images)],
    [`network in, over ${base.days} days`, ({ bytesIn }) => bits(bytesIn.wats + bytesIn.images, base.days)],
    ['bucket', ({ bytesKept }) => bytes(bytesKept)],
    ['bucket besides, at most, if all is fetched before it is scored', ({ bytesApart }) => bytes(bytesApart)],
    ['extract, core-hours', ({ coreHours }) => hoursText(coreHours.extract)],
    ['dedup, core-hours', ({ coreHours }) => hoursText(coreHours.dedup)],
    ['harvest at fp32, core-hours', ({ coreHours }) => hoursText(coreHours.fp32)],
    ['harvest at int8, core-hours', ({ coreHours }) => hoursText(coreHours.int8)],
    ['fetching apart, core-hours', ({ coreHours }) => hoursText(coreHours.fetch)],
    ['and GPU-hours', ({ gpuHours }) => hoursText(gpuHours)],
    ['release, core-hours', ({ coreHours }) => hoursText(coreHours.release)],
    [`cores for ${base.days} days, at fp32`, ({ coreHours }) => cores(coreHours.fp32, coreHours, base)],
    [`cores for ${base.days} days, at int8`, ({ coreHours }) => cores(coreHours.int8, coreHours, base)],
    [
      `cores, and GPUs, for ${base.days} days`,
      ({ coreHours, gpuHours }) =>
        `${cores(coreHours.fetch, coreHours, base)}, ${count(Math.ceil(gpuHours / hoursOf(base)))}`,
    ],
  ];
  return table(
    sizes.map((wats) => `${count(wats)} WATs`),
    rows.map(([name, cell]) => [name, works.map(cell)]),
  );
}

/** The second table: what it costs. */
export function dollarTable(base: Assumptions, sizes: readonly number[]): string {
  const columns = sizes.flatMap((wats) =>
    (['fp32', 'int8', 'gpu'] as const).map((way) => ({ wats, way, paid: dollars({ ...base, wats }, way) })),
  );
  const names = Object.keys(columns[0]?.paid ?? {});
  const total = (paid: Readonly<Record<string, number>>) => Object.values(paid).reduce((a, b) => a + b, 0);
  return table(
    columns.map(({ wats, way }) => `${count(wats)} WATs, ${way}`),
    [
      ...names.map((name) => [name, columns.map(({ paid }) => money(paid[name] ?? 0))] as const),
      ['all', columns.map(({ paid }) => money(total(paid)))],
      [
        'a million rows',
        columns.map(({ wats, paid }) => money((total(paid) / workOf({ ...base, wats }).rows) * 1e6)),
      ],
    ],
  );
}

/** Hours in which a core has work, of the days that there are. */
const hoursOf = ({ days, busy }: Assumptions) => days * 24 * busy;

function cores(harvest: number, { extract, dedup, release }: Work['coreHours'], base: Assumptions): string {
  return count(Math.ceil((harvest + extract + dedup + release) / hoursOf(base)));
}

function table(heads: readonly string[], rows: readonly (readonly [string, readonly string[]])[]): string {
  return [
    `| | ${heads.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(heads.length)}`,
    ...rows.map(([name, cells]) => `| ${name} | ${cells.join(' | ')} |`),
  ].join('\n');
}

/** Core-hours and the like: below ten with a digit behind the point. */
function hoursText(n: number): string {
  return n < 10 ? n.toFixed(1) : count(n);
}

/** Three digits of what is large, all of what is small. */
function count(n: number): string {
  return (n < 1000 ? Math.round(n) : Number(n.toPrecision(3))).toLocaleString('en');
}

function money(n: number): string {
  return `$${n < 10 ? n.toFixed(2) : count(n)}`;
}

/** With the prefix of SI that leaves one to three digits before the point. */
function bytes(n: number): string {
  const power = Math.min(6, Math.max(0, Math.floor(Math.log10(n) / 3)));
  return `${Number((n / 1000 ** power).toPrecision(3))} ${['', 'k', 'M', 'G', 'T', 'P', 'E'][power]}B`;
}

/** Bytes over days, as a rate of bits. */
function bits(n: number, days: number): string {
  return `${bytes((n * 8) / (days * 86_400)).replace('B', 'bit')}/s`;
}

/** What docs/operations.md shows: a try, a run as large as one should be, a whole crawl. */
export const SIZES = [100, 900, 90_000] as const;

if (import.meta.main) {
  const names = Object.entries(ASSUMPTIONS);
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      ...Object.fromEntries(names.map(([name]) => [name, { type: 'string' } as const])),
    },
  });
  const { help, ...given } = values as Readonly<Record<string, string | boolean | undefined>>;
  if (help) process.stdout.write(`${names.map(([name, value]) => `--${name} ${value}\n`).join('')}`);
  else {
    const changed = Object.fromEntries(Object.entries(given).map(([name, text]) => [name, Number(text)]));
    for (const [name, value] of Object.entries(changed))
      if (!(value >= 0)) throw new Error(`--${name}: give a number.`);
    const base = { ...ASSUMPTIONS, ...changed };
    const sizes = changed.wats === undefined ? SIZES : [changed.wats];
    process.stdout.write(`${workTable(base, sizes)}\n\n${dollarTable(base, sizes)}\n`);
  }
}
