import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Answers,
  type Judged,
  type Judgement,
  readJudgements,
  takeJudgement,
} from '../../stages/review/index.ts';
import { fileStorage } from '../../storage/index.ts';

/** Where the judgements of a run lie. */
const JUDGEMENTS_FILE = 'review/judgements.jsonl';

/** Reads what was judged so far, of nothing where nobody began. @throws GleanerError DAMAGED */
export async function readJudgementFile(dir: string, release: string) {
  const storage = fileStorage(dir);
  const exists = (await storage.size(JUDGEMENTS_FILE)) !== undefined;
  const bytes = exists ? await storage.read(JUDGEMENTS_FILE) : new Uint8Array();
  return readJudgements(bytes, release, `${storage.location}/${JUDGEMENTS_FILE}`);
}

/** What one reviewer says, appended to the file of all; a line is on the disk before anybody is told that it is saved. */
export class JudgementFile {
  readonly #file: FileHandle;
  readonly #judged: Map<string, Map<string, Answers>>;
  readonly #release: string;
  readonly #reviewer: string;
  readonly #now: () => Date;
  /** Lines of releases by another recipe or model. */
  readonly foreign: number;
  /** Bytes that are there for certain. */
  #length: number;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    file: FileHandle,
    read: Awaited<ReturnType<typeof readJudgementFile>>,
    { release, reviewer, now = () => new Date() }: JudgementFileOptions,
  ) {
    this.#file = file;
    this.#judged = new Map([...read.judged].map(([name, own]) => [name, new Map(own)]));
    this.foreign = read.foreign;
    this.#length = read.wholeBytes;
    this.#release = release;
    this.#reviewer = reviewer;
    this.#now = now;
  }

  /**
   * Opens the file, or begins it. A last line that a killed process left in part is taken away: it was never said to be saved.
   *
   * @throws GleanerError DAMAGED
   */
  static async open(dir: string, options: JudgementFileOptions): Promise<JudgementFile> {
    const path = join(dir, JUDGEMENTS_FILE);
    await mkdir(dirname(path), { recursive: true });
    const read = await readJudgementFile(dir, options.release);
    const file = await open(path, 'a');
    const { size } = await file.stat();
    if (size > read.wholeBytes) await file.truncate(read.wholeBytes);
    return new JudgementFile(file, read, options);
  }

  /** Of all reviewers. */
  get judged(): Judged {
    return this.#judged;
  }

  /** What this reviewer said of a pair. */
  answers(uid: string): Answers | null {
    return this.#judged.get(this.#reviewer)?.get(uid) ?? null;
  }

  /**
   * Saves a judgement of this reviewer, in place of an earlier one.
   *
   * @param answers null takes the judgement back
   * @returns when the disk has it
   */
  add(uid: string, answers: Answers | null): Promise<void> {
    const judgement: Judgement = {
      version: 1,
      at: this.#now().toISOString(),
      reviewer: this.#reviewer,
      release: this.#release,
      uid,
      match: answers?.match ?? null,
      safe: answers?.safe ?? null,
    };
    const written = this.#writing.then(() => this.#append(judgement));
    // The next one is tried whatever became of this one.
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #append(judgement: Judgement): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(judgement)}\n`);
    try {
      await this.#file.appendFile(line);
      await this.#file.datasync();
    } catch (error) {
      // Half a line, where the disk is full, must not spoil the next one.
      await this.#file.truncate(this.#length).catch(() => undefined);
      throw error;
    }
    this.#length += line.length;
    takeJudgement(this.#judged, judgement);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}

export interface JudgementFileOptions {
  /** See `reviewFingerprint`. */
  readonly release: string;
  readonly reviewer: string;
  /** @default the clock of the machine */
  readonly now?: () => Date;
}
