import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { lockFolder } from '../../pipeline/lock.ts';
import {
  type Judged,
  type ReviewReport,
  reviewReport,
  type SampleOptions,
} from '../../stages/review/index.ts';
import { assertLocal, fileStorage } from '../../storage/index.ts';
import { type Listening, listenOn } from '../listen.ts';
import { JudgementFile, readJudgementFile } from './judgement-file.ts';
import { type OpenedReview, openReview } from './open-review.ts';
import { createReviewApp } from './review-app.ts';

/** What the figures of a review are written to. */
const REPORT_FILE = 'review/report.json';

export interface ReviewRunOptions {
  /** What the sample is drawn by: what is not given is as it was before, or as `DEFAULT_SAMPLE` has it. */
  readonly sample?: Partial<SampleOptions>;
  /** 0 for any that is free. */
  readonly port: number;
  /** @default '127.0.0.1': nobody but this machine */
  readonly host?: string;
  /** Whose judgements these are. @default 'reviewer' */
  readonly reviewer?: string;
  readonly signal?: AbortSignal;
}

export interface ReviewService {
  readonly url: string;
  readonly port: number;
  /** Pairs to judge, and those that this reviewer has judged already. */
  readonly pairs: number;
  readonly judged: number;
  /** Judgements of releases by another recipe or model, which do not count. */
  readonly foreign: number;
  /** Ends the requests under way, writes the report, and lets go of everything. May be called twice. */
  close(): Promise<void>;
}

const DEFAULT_REVIEWER = 'reviewer';

/**
 * Serves the review page of a run's release, until it is closed.
 *
 * @throws GleanerError RUN_NOT_FOUND without a release; DAMAGED; RUN_LOCKED where another reviews it; PORT_IN_USE
 */
export async function reviewRun(dir: string, options: ReviewRunOptions): Promise<ReviewService> {
  const { port, host = '127.0.0.1', reviewer = DEFAULT_REVIEWER } = options;
  const review = await openReview(dir, options.sample, options.signal);
  assertLocal(dir);
  await mkdir(join(dir, 'review'), { recursive: true });
  const unlock = await lockFolder(join(dir, 'review'));
  let judgements: JudgementFile | undefined;
  try {
    const file = await JudgementFile.open(dir, { release: review.fingerprint, reviewer });
    judgements = file;
    const storage = fileStorage(dir);
    const name = basename(resolve(dir));
    const app = await createReviewApp({ storage, name, reviewer, review, judgements: file, host });
    const listening: Listening = await listenOn(app.fetch, port, host);
    let closing: Promise<void> | undefined;
    const end = async () => {
      await listening.close();
      await file.close();
      await writeReport(dir, review, file.judged);
      await unlock();
    };
    return {
      url: listening.url,
      port: listening.port,
      pairs: review.sampling.samples.length,
      judged: review.sampling.samples.filter(({ uid }) => file.answers(uid) !== null).length,
      foreign: file.foreign,
      close() {
        closing ??= end();
        return closing;
      },
    };
  } catch (error) {
    await judgements?.close();
    await unlock();
    throw error;
  }
}

export interface ReportRunOptions extends Pick<ReviewRunOptions, 'sample' | 'signal'> {
  /** Only what this one said. @default all reviewers together */
  readonly reviewer?: string;
}

/**
 * What was judged so far says of a release; also written to DIR/review/report.json.
 *
 * @throws GleanerError RUN_NOT_FOUND without a release; DAMAGED
 */
export async function reportReview(dir: string, options: ReportRunOptions = {}): Promise<ReviewReport> {
  const { sample, signal, reviewer } = options;
  const review = await openReview(dir, sample, signal);
  const { judged } = await readJudgementFile(dir, review.fingerprint);
  const own = reviewer === undefined ? judged : new Map([...judged].filter(([name]) => name === reviewer));
  return writeReport(dir, review, own);
}

async function writeReport(dir: string, review: OpenedReview, judged: Judged): Promise<ReviewReport> {
  const report = reviewReport(review.stats, review.sampling, judged);
  await fileStorage(dir).put(REPORT_FILE, `${JSON.stringify(report, null, 2)}\n`);
  return report;
}
