import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../support/gleaner.ts';

/** Workers in processes of their own, as an operator begins them. */
export class Workers implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>;
  readonly #processes = new Set<ChildProcess>();
  /** What they said, for the message of a test that fails. */
  log = '';

  /** @param env what they are told by their environment: database, credentials */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  get running(): number {
    return this.#processes.size;
  }

  start(...args: readonly string[]): ChildProcess {
    const bin = join(ROOT, 'bin', 'gleaner.js');
    const worker = spawn(process.execPath, [bin, 'worker', '--workers', '1', '--log', 'text', ...args], {
      cwd: ROOT,
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    worker.stderr?.on('data', (text) => {
      this.log = `${this.log}${worker.pid} ${text}`.slice(-20_000);
    });
    this.#processes.add(worker);
    worker.once('exit', () => this.#processes.delete(worker));
    return worker;
  }

  /** Kills one of them at once. @returns whether there was one */
  killOne(): boolean {
    const all = [...this.#processes];
    return all[Math.floor(Math.random() * all.length)]?.kill('SIGKILL') ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#processes].map(async (worker) => {
        worker.kill('SIGKILL');
        await once(worker, 'exit');
      }),
    );
  }
}
