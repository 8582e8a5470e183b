import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { type S3Server, startS3 } from '../support/s3-server.ts';

let postgres: Postgres;
let s3: S3Server;
let folder: string;
let crawl: SmallCrawl;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  folder = await mkdtemp(join(tmpdir(), 'gleaner-bad-'));
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 2 });
  env = { ...process.env, ...s3.env, GLEANER_DATABASE: postgres.url };
  await using database = await Database.open(postgres.url);
  await database.query('SELECT 1');
}, 60_000);
afterAll(async () => {
  await Promise.all([postgres, s3].map((server) => server[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true, force: true });
});

const submit = (...args: readonly string[]) => [
  'submit',
  '--wat',
  ...crawl.wats,
  '--images-from',
  crawl.archive,
  ...args,
];
const changed = (change: Partial<Record<'password' | 'pathname', string>>) =>
  Object.assign(new URL(postgres.url), change).href;

describe('a fleet that is told nonsense says so in one line', () => {
  it.each<[string, () => { args: readonly string[]; env?: NodeJS.ProcessEnv; code?: number }, RegExp]>([
    [
      'a bucket that is not there',
      () => ({ args: submit('--out', 's3://no-such-bucket/run') }),
      /s3:\/\/no-such-bucket.*bucket/,
    ],
    [
      'credentials that are wrong',
      () => ({ args: submit('--out', `s3://${s3.bucket}/run`), env: { AWS_SECRET_ACCESS_KEY: 'wrong' } }),
      /s3:\/\/.*(?:credentials|key)/i,
    ],
    [
      'a password that is wrong',
      () => ({ args: ['worker'], env: { GLEANER_DATABASE: changed({ password: 'wrong' }) } }),
      /the password is wrong/,
    ],
    [
      'a database that is not there',
      () => ({ args: submit('--out', join(folder, 'x'), '--database', changed({ pathname: '/none' })) }),
      /no such database/,
    ],
    [
      'no database at all',
      () => ({ args: ['worker'], env: { GLEANER_DATABASE: '' }, code: 2 }),
      /--database/,
    ],
    [
      'a stage that is none',
      () => ({ args: ['worker', '--stages', 'harvst'], code: 2 }),
      /no stage 'harvst'/,
    ],
    ['a size that is none', () => ({ args: ['worker', '--memory', 'much'], code: 2 }), /8GiB/],
  ])('%s', { timeout: 60_000 }, async (_, told, message) => {
    const { args, env: more = {}, code = 1 } = told();
    const ended = await gleaner(args, { env: { ...env, ...more } });
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    expect(ended.stderr).not.toMatch(/:secret|wrong@|S3RVER|\bat .*:\d+:\d+/);
  });

  it('tables of another version, for whoever opens them', { timeout: 60_000 }, async () => {
    await using database = await Database.open(postgres.url);
    await database.query('UPDATE gleaner.schema_version SET version = version + 1');
    try {
      for (const args of [submit('--out', join(folder, 'y')), ['worker'], ['status', '--once']]) {
        const ended = await gleaner(args, { env });
        expect(ended, args[0]).toMatchObject({ code: 1, stdout: '' });
        expect(ended.stderr, args[0]).toMatch(/tables of another gleaner/);
      }
    } finally {
      await database.query('UPDATE gleaner.schema_version SET version = version - 1');
    }
  });

  it('a recipe that is not the one that was submitted there, and harms nothing', {
    timeout: 60_000,
  }, async () => {
    const out = join(folder, 'run');
    expect(await gleaner(submit('--out', out), { env })).toMatchObject({ code: 0 });
    const before = await readFile(join(out, 'run.json'), 'utf8');
    const ended = await gleaner(submit('--out', out, '--recipe', 'everything'), { env });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(/another recipe/);
    expect(await readFile(join(out, 'run.json'), 'utf8')).toBe(before);
    await using database = await Database.open(postgres.url);
    expect(await database.query('SELECT state FROM gleaner.run')).toEqual([{ state: 'running' }]);
  });
});
