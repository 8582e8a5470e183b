import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** Fields of a row that `bench.py --json` writes, of those that are read here. */
const resultSchema = z.object({
  rows: z.array(
    z.object({
      name: z.string(),
      /** User and system time of the whole process tree, median of the rounds. */
      cpu_s: z.number(),
      cpu_min: z.number(),
      cpu_max: z.number(),
      wall_s: z.number(),
      /** Greatest sum of the resident sizes of all processes at one moment. */
      tree_rss_mb: z.number(),
      unique: z.number().nullable(),
      exit: z.int(),
    }),
  ),
});

export interface SparkOptions {
  readonly wats: readonly string[];
  /** What setup.sh of the harness made. */
  readonly peers: string;
  /** Folder of the harness. */
  readonly harness: string;
  /** gleaner's command line as it was built. */
  readonly built: string;
  readonly rounds: number;
}

/**
 * cc2dataset's Spark job over several WATs beside `gleaner extract` and `gleaner dedup`, rounds about in one run of the
 * peers' own harness: it alone counts what orphans of a process tree used. Both read all files, keep each pair once and
 * write Parquet; no language is told by either. Needs Java 17 as JAVA_HOME or on the PATH.
 */
export async function compareWithSpark({ wats, peers, harness, built, rounds }: SparkOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  try {
    const recipe = join(folder, 'plain.yaml');
    await writeFile(recipe, 'name: plain\nextract:\n  detectLanguage: false\n');
    const gleaner = [process.execPath, built].map(quote).join(' ');
    const out = quote(join(folder, 'out'));
    const rows = [1, 2].flatMap((threads) => {
      const extract = `${gleaner} extract --recipe ${quote(recipe)} --workers ${threads} --out ${out} --wat {wats}`;
      const dedup = `${gleaner} dedup --pairs ${out} --out ${out} --json`;
      // The harness reads the last line; what is swept up is of the round before.
      const count = `sed 's/.*"out":\\([0-9]*\\).*/{"unique": \\1}/'`;
      const name = `gleaner extract and dedup, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
      return ['--extra', `${name}=set -e; rm -rf ${out}; ${extract} >&2; ${dedup} | ${count}`];
    });
    const json = join(folder, 'result.json');
    const options = ['--no-check', '--only', '-', '--spark', '--reps', String(rounds), '--json', json];
    await runHarness([join(harness, 'run.sh'), peers, ...options, ...rows, ...wats]);
    print(resultSchema.parse(JSON.parse(await readFile(json, 'utf8'))).rows);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The harness's own table is not ours: it goes to standard error with its progress. */
async function runHarness(command: readonly string[]): Promise<void> {
  const harness = spawn('sh', command, { stdio: ['ignore', 2, 2] });
  const status = await new Promise((resolve, reject) => harness.on('error', reject).on('close', resolve));
  if (status !== 0) throw new Error(`the harness ended with ${status}`);
}

function print(rows: z.infer<typeof resultSchema>['rows']): void {
  const spark = rows.find(({ name }) => name.includes('Spark'));
  process.stdout.write(
    '| row | CPU s | least to most | wall s | peak MiB of the tree | distinct pairs | CPU, Spark ÷ | memory, Spark ÷ |\n' +
      '| --- | --- | --- | --- | --- | --- | --- | --- |\n',
  );
  for (const row of rows) {
    if (row.exit !== 0) {
      process.stdout.write(`| ${row.name} | ended with ${row.exit}; see bench.log | | | | | | |\n`);
      process.exitCode = 1;
      continue;
    }
    const over = (ours: number, theirs: number | undefined) =>
      theirs === undefined ? '' : (theirs / ours).toFixed(2);
    const cells = [
      row.name,
      row.cpu_s.toFixed(1),
      `${row.cpu_min.toFixed(1)} to ${row.cpu_max.toFixed(1)}`,
      row.wall_s.toFixed(1),
      row.tree_rss_mb,
      row.unique?.toLocaleString('en') ?? '?',
      over(row.cpu_s, spark?.cpu_s),
      over(row.tree_rss_mb, spark?.tree_rss_mb),
    ];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}

/** A word for a shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
