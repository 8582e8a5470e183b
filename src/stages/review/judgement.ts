import { z } from 'zod';
import { GleanerError } from '../../schema/index.ts';

const answer = z.enum(['yes', 'no', 'unsure']);
/** To one question of one pair. */
export type Answer = z.infer<typeof answer>;

const judgementSchema = z.object({
  version: z.literal(1),
  /** ISO 8601, UTC. */
  at: z.string(),
  reviewer: z.string().min(1),
  /** What the release was made by: see `reviewFingerprint`. */
  release: z.string(),
  uid: z.string(),
  /** Whether the text says what the picture shows, and whether the picture is safe; null takes a judgement back. */
  match: answer.nullable(),
  safe: answer.nullable(),
});
/** A line of DIR/review/judgements.jsonl. */
export type Judgement = Readonly<z.infer<typeof judgementSchema>>;

/** Answers of one reviewer to both questions. */
export interface Answers {
  readonly match: Answer;
  readonly safe: Answer;
}

/** What was answered, by reviewer, then by uid. Of two judgements the later counts. */
export type Judged = ReadonlyMap<string, ReadonlyMap<string, Answers>>;

export interface ReadJudgements {
  readonly judged: Judged;
  /** Lines of releases by another recipe or model: they stay, and do not count. */
  readonly foreign: number;
  /** Bytes up to the end of the last whole line: what follows was being written when a process was killed. */
  readonly wholeBytes: number;
}

/**
 * Reads a journal of judgements.
 *
 * @param release the judgements of this one count
 * @param path for messages
 * @throws GleanerError DAMAGED at a line that is no judgement, by its number. A last line without an end is none.
 */
export function readJudgements(bytes: Uint8Array, release: string, path: string): ReadJudgements {
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, wholeBytes)).split('\n').slice(0, -1);
  const judged = new Map<string, Map<string, Answers>>();
  let foreign = 0;
  for (const [i, line] of lines.entries()) {
    const judgement = parseLine(line);
    if (!judgement) {
      const problem = `line ${i + 1} is no judgement. Mend or remove that line; the others are kept.`;
      throw new GleanerError('DAMAGED', { path, problem });
    }
    if (judgement.release === release) takeJudgement(judged, judgement);
    else foreign++;
  }
  return { judged, foreign, wholeBytes };
}

/** Lets a judgement take the place of an earlier one. */
export function takeJudgement(judged: Map<string, Map<string, Answers>>, judgement: Judgement): void {
  const { reviewer, uid, match, safe } = judgement;
  const own = judged.get(reviewer) ?? new Map<string, Answers>();
  judged.set(reviewer, own);
  if (match === null || safe === null) own.delete(uid);
  else own.set(uid, { match, safe });
}

function parseLine(line: string): Judgement | undefined {
  try {
    return judgementSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/**
 * The answer that several reviewers give together: what more of them said of yes and no; unsure where none did, or as many
 * said the one as the other.
 */
export function together(answers: readonly Answer[]): Answer {
  const yes = answers.filter((one) => one === 'yes').length;
  const no = answers.filter((one) => one === 'no').length;
  return yes > no ? 'yes' : no > yes ? 'no' : 'unsure';
}
