import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TAKEDOWN_KINDS, takedownHash } from '../safety/tombstones.ts';
import { GleanerError, refusedBySystem } from '../schema/index.ts';
import type { TakedownName } from './takedown-list.ts';

/*
 * What people who look at a release ask to have taken down: lines of JSON in DIR/reports.jsonl, which a service appends and
 * `gleaner reports` and `gleaner remove --reports` close. A line that is closed is written over where it stands, so that
 * services may append meanwhile, and nothing stays of who asked for what.
 */

/** Where the reports of a run lie in its folder: readable by its owner alone, since they say how to reach people. */
export const REPORTS_FILE = 'reports.jsonl';
export const REPORT_REASONS = ['illegal', 'privacy', 'copyright', 'wrong-tag', 'other'] as const;
export type ReportReason = (typeof REPORT_REASONS)[number];

/** Longest message and contact, in UTF-16 units. */
export const MAX_MESSAGE_CHARS = 2000;
export const MAX_CONTACT_CHARS = 200;
/** No report is taken beyond this size of the file: some 20,000 long ones. */
const MAX_FILE_BYTES = 64 << 20;

const name = z.string().regex(/^r-[0-9a-f]{16}$/);
const reportSchema = z.strictObject({
  report: name,
  /** ISO 8601, UTC. */
  at: z.iso.datetime(),
  /** SAMPLE_ID in the release as it was then. */
  row: z.int().min(0),
  uid: z.string().regex(/^[0-9a-f]{32}$/),
  url: z.string(),
  /** Of the image's bytes as fetched. */
  sha256: z.string(),
  reason: z.enum(REPORT_REASONS),
  message: z.string(),
  contact: z.string(),
});
/** A report that nobody has handled yet. */
export type Report = Readonly<z.infer<typeof reportSchema>>;

/** What stays of one that was: shorter than any `Report`, in whose place it is written. */
const closedSchema = z.strictObject({
  report: name,
  at: z.iso.datetime(),
  closed: z.enum(['removed', 'dismissed']),
  closedAt: z.iso.datetime(),
});
export type ClosedReport = Readonly<z.infer<typeof closedSchema>>;

/** DIR/reports.jsonl as it is now. */
export interface Reports {
  readonly open: readonly Report[];
  readonly closed: readonly ClosedReport[];
  /** Lines that are none, as a machine that lost its power leaves them; counted from 1. */
  readonly unreadable: readonly number[];
}

/**
 * Appends a report.
 *
 * @param now when it came
 * @returns its name, when the disk has it; undefined where the file is full
 * @throws GleanerError FILE_FAILED
 */
export async function appendReport(
  dir: string,
  report: Omit<Report, 'report' | 'at'>,
  now: Date,
  maxBytes = MAX_FILE_BYTES,
): Promise<string | undefined> {
  const line: Report = { report: `r-${randomBytes(8).toString('hex')}`, at: now.toISOString(), ...report };
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  return withFile(dir, 'a+', async (file) => {
    const { size } = await file.stat();
    if (size + bytes.length > maxBytes) return undefined;
    // One that was killed may have left half a line: ours begins a new one.
    const { buffer } = await file.read({ buffer: Buffer.alloc(1), position: Math.max(0, size - 1) });
    const whole = size === 0 || buffer[0] === NEWLINE;
    await file.appendFile(whole ? bytes : Buffer.concat([Buffer.of(NEWLINE), bytes]));
    await file.datasync();
    return line.report;
  });
}

/** @returns none where nobody has reported anything @throws GleanerError FILE_FAILED */
export async function readReports(dir: string): Promise<Reports> {
  const found = await withFile(dir, 'r', async (file) => linesOf(await file.readFile())).catch(noneYet);
  return {
    open: found.flatMap(({ open }) => open ?? []),
    closed: found.flatMap(({ closed }) => closed ?? []),
    unreadable: found.flatMap(({ open, closed, number }) => (open || closed ? [] : [number])),
  };
}

/**
 * Closes reports: what they said is written over.
 *
 * @param names of reports; those that are closed already, or never were, are passed over
 * @returns those that were closed now
 * @throws GleanerError FILE_FAILED
 */
export async function closeReports(
  dir: string,
  names: readonly string[],
  closed: ClosedReport['closed'],
  now: Date,
): Promise<string[]> {
  const wanted = new Set(names);
  if (wanted.size === 0) return [];
  return withFile(dir, 'r+', async (file) => {
    const done: string[] = [];
    for (const { open: report, start, length } of linesOf(await file.readFile())) {
      if (!report || !wanted.has(report.report)) continue;
      const line: ClosedReport = {
        ...{ report: report.report, at: report.at },
        ...{ closed, closedAt: now.toISOString() },
      };
      const bytes = Buffer.alloc(length, ' ');
      bytes.write(JSON.stringify(line));
      await file.write(bytes, 0, length, start);
      done.push(report.report);
    }
    await file.datasync();
    return done;
  });
}

/**
 * Open reports by their names or by their reason.
 *
 * @param wanted as 'r-5f0c9e6a1b2d3c4e' or 'privacy'
 * @throws GleanerError USAGE where one is neither, or is not open
 */
export async function findReports(dir: string, wanted: readonly string[]): Promise<Report[]> {
  const { open } = await readReports(dir);
  const found = new Set<Report>();
  for (const one of wanted) {
    const some = open.filter(({ report, reason }) => report === one || reason === one);
    if (some.length === 0 && !REPORT_REASONS.some((reason) => reason === one))
      throw new GleanerError('USAGE', {
        problem: `'${one}' is no open report. See them with: gleaner reports ${dir}`,
      });
    for (const report of some) found.add(report);
  }
  return [...found];
}

/**
 * What a report asks to have taken down: the picture wherever the release has it, by its URL and its bytes, and the pair.
 */
export function takedownsOfReport(report: Report): TakedownName[] {
  const cells: Partial<Record<(typeof TAKEDOWN_KINDS)[number], string>> = report;
  return TAKEDOWN_KINDS.flatMap((kind) => {
    const hash = takedownHash(kind, cells[kind] ?? '');
    return hash === undefined ? [] : [{ kind, hash }];
  });
}

const NEWLINE = 10;

interface Line {
  readonly open: Report | undefined;
  readonly closed: ClosedReport | undefined;
  /** Bytes of the line without its end, and where they begin. */
  readonly start: number;
  readonly length: number;
  /** From 1. */
  readonly number: number;
}

function linesOf(bytes: Buffer): Line[] {
  const lines: Line[] = [];
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const end = bytes.indexOf(NEWLINE, start);
    const length = (end < 0 ? bytes.length : end) - start;
    const value = parseJson(bytes.subarray(start, start + length).toString());
    const open = reportSchema.safeParse(value).data;
    lines.push({ open, closed: closedSchema.safeParse(value).data, start, length, number });
    start += length + 1;
  }
  return lines;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function withFile<T>(
  dir: string,
  flags: 'a+' | 'r' | 'r+',
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  let file: FileHandle | undefined;
  try {
    file = await open(join(dir, REPORTS_FILE), flags, 0o600);
    return await work(file);
  } catch (error) {
    throw refusedBySystem(error) ?? error;
  } finally {
    await file?.close();
  }
}

function noneYet(error: unknown): Line[] {
  const cause = error instanceof GleanerError ? error.cause : undefined;
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
  throw error;
}
