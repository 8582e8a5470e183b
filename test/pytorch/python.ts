import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support/gleaner.ts';

/** Interpreter that is asked for. */
const PYTHON = process.env.GLEANER_PYTHON ?? 'python3';

/** Looks for packages without loading any of them: torch alone takes seconds. */
const FIND =
  'import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None], sep=", ")';

/** Names of the first packages that Python lacks; 'python' where there is none. '' where nothing is missing. */
export function missingOf(...packages: readonly string[]): string {
  const { status, stdout } = spawnSync(PYTHON, ['-c', FIND, ...packages], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return status === 0 ? (stdout.trim().split(', ')[0] ?? '') : 'python';
}

/** A script of examples/pytorch, or of this folder. */
export const EXAMPLES = join(ROOT, 'examples', 'pytorch');

/**
 * Runs a script to its end, on one thread, with the example's modules beside it.
 *
 * @returns what it said on both streams
 * @throws Error with that, where its status is not 0
 */
export function python(script: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, OMP_NUM_THREADS: '1', PYTHONPATH: EXAMPLES, PYTHONDONTWRITEBYTECODE: '1' };
  return new Promise((resolve, reject) => {
    execFile(PYTHON, [script, ...args], { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${script}: status ${error.code}\n${stdout}${stderr}`));
      else resolve(`${stdout}${stderr}`);
    });
  });
}
