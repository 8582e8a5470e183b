import { type ChildProcess, fork } from 'node:child_process';
import type { CroppedImage, Preprocessing } from '../../clip/index.ts';
import { dropped, type Outcome } from '../../schema/index.ts';

/** The process's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './decoder-process.ts' : './decoder-process.js',
  import.meta.url,
);

export interface PictureDecoderOptions {
  /** How the model wants its pixels. */
  readonly preprocessing: Preprocessing;
  /** Processes at most; each decodes one picture at a time. @default 2 */
  readonly processes?: number;
  /** A picture that takes longer is given up, in milliseconds: 40 megapixels of PNG take some 2 s. @default 10_000 */
  readonly timeoutMs?: number;
  /** A process that had nothing to do for so long is ended, in milliseconds: it holds some 60 MB. @default 60_000 */
  readonly idleMs?: number;
  /** What runs in a process. @default the decoder of `decodeQueryPicture` */
  readonly file?: URL;
}

interface Job {
  readonly bytes: Uint8Array;
  readonly end: (outcome: Outcome<CroppedImage>) => void;
}

/**
 * Decodes strangers' pictures in processes that may die: a picture that crashes its decoder, or never ends, costs its own
 * query and nothing else. Processes are begun as they are needed.
 */
export class PictureDecoder {
  readonly #options: PictureDecoderOptions;
  readonly #idle = new Map<ChildProcess, NodeJS.Timeout>();
  readonly #busy = new Set<ChildProcess>();
  readonly #waiting = new Set<Job>();
  #closed = false;

  constructor(options: PictureDecoderOptions) {
    this.#options = options;
  }

  /** Processes that there are. */
  get processes(): number {
    return this.#idle.size + this.#busy.size;
  }

  /**
   * @param signal gives it up: what is not begun is not begun
   * @returns the part of the picture that the model sees, or why it is none
   * @throws the reason of `signal`
   */
  decode(bytes: Uint8Array, signal?: AbortSignal): Promise<Outcome<CroppedImage>> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const giveUp = () => {
        this.#waiting.delete(job);
        reject(signal?.reason);
      };
      const end = (outcome: Outcome<CroppedImage>) => {
        signal?.removeEventListener('abort', giveUp);
        resolve(outcome);
      };
      const job: Job = { bytes, end };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(job);
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#idle.keys(), ...this.#busy];
    await Promise.all(all.map(endProcess));
    for (const { end } of this.#waiting) end(dropped('undecodable', 'the service ends'));
    this.#waiting.clear();
  }

  #next(): void {
    const [job] = this.#waiting;
    if (!job || this.#closed) return;
    const [idle] = this.#idle.keys();
    if (!idle && this.#busy.size >= (this.#options.processes ?? 2)) return;
    this.#waiting.delete(job);
    this.#run(idle ?? this.#start(), job);
  }

  #start(): ChildProcess {
    const child = fork(this.#options.file ?? PROCESS, [JSON.stringify(this.#options.preprocessing)], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.once('exit', () => {
      clearTimeout(this.#idle.get(child));
      this.#idle.delete(child);
    });
    // What cannot be begun, or is told to one that has gone, is said by whoever waits for it.
    child.on('error', () => undefined);
    return child;
  }

  #run(child: ChildProcess, { bytes, end }: Job): void {
    clearTimeout(this.#idle.get(child));
    this.#idle.delete(child);
    this.#busy.add(child);
    let late = false;
    const finish = (outcome: Outcome<CroppedImage>) => {
      clearTimeout(timer);
      child.off('message', answer).off('exit', die).off('error', die);
      this.#busy.delete(child);
      end(outcome);
    };
    const answer = (outcome: Outcome<CroppedImage>) => {
      finish(outcome);
      this.#rest(child);
      this.#next();
    };
    const die = () => {
      finish(dropped('undecodable', late ? 'it takes too long' : 'its decoder crashed'));
      this.#next();
    };
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, this.#options.timeoutMs ?? 10_000);
    child.on('message', answer).on('exit', die).on('error', die);
    // One that is gone is noticed by its exit.
    child.send(bytes, () => undefined);
  }

  #rest(child: ChildProcess): void {
    if (this.#closed || child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => {
      this.#idle.delete(child);
      child.disconnect();
    }, this.#options.idleMs ?? 60_000);
    this.#idle.set(child, timer.unref());
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
