/** Makes the publishable dist: JavaScript with types, data files beside it, and the page. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const run = (name: string, ...args: string[]) =>
  execFileSync(join(root, 'node_modules', '.bin', name), args, { cwd: root, stdio: 'inherit' });

rmSync(join(root, 'dist'), { recursive: true, force: true });
run('tsc', '-p', 'tsconfig.build.json');
for (const file of globSync('**/*.{yaml,txt}', { cwd: join(root, 'src') }))
  cpSync(join(root, 'src', file), join(root, 'dist', file));
run('vite', 'build', 'web');
