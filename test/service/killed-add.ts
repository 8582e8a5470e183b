import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/* Adds a release and kills itself before the n-th change of a file, or says how many changes there were. */

const [dir = '', from = '', at = '0'] = process.argv.slice(2);
const lastly = Number(at);
let changes = 0;

function counted<F extends (...args: never[]) => unknown>(change: F): F {
  const wrapped = (...args: Parameters<F>) => {
    changes++;
    if (changes === lastly) process.kill(process.pid, 'SIGKILL');
    return change(...args);
  };
  return wrapped as F;
}

for (const name of ['rename', 'link', 'copyFile', 'rm', 'mkdir', 'open'] as const)
  Object.assign(fs.promises, { [name]: counted(fs.promises[name] as (...args: never[]) => unknown) });
for (const name of ['writeFileSync', 'renameSync', 'rmSync', 'openSync', 'writeSync'] as const)
  Object.assign(fs, { [name]: counted(fs[name] as (...args: never[]) => unknown) });
syncBuiltinESMExports();

const { addToIndex } = await import('../../src/executors/index-add.ts');
await addToIndex(dir, from);
process.stdout.write(String(changes));
