import { spawnSync } from 'node:child_process';

/** Interpreter that is asked for: one that has webdataset. */
const PYTHON = process.env.GLEANER_PYTHON ?? 'python3';

/** What Python makes of a script, or undefined where it lacks a package. */
export function python(
  script: string,
  packages: readonly string[],
  args: readonly string[],
): string | undefined {
  // Looked for without loading any: torch alone takes seconds.
  const find = 'import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))';
  if (spawnSync(PYTHON, ['-c', find, ...packages]).status !== 0) return undefined;
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${PYTHON}: ${stderr}`);
  return stdout;
}
