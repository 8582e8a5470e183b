/**
 * Compiles assembly/pixels.ts to WebAssembly and writes it, as base64, to src/image/kernels.generated.ts: it is two
 * kilobytes, and so needs no file beside the JavaScript, in no build and no worker. test/image/kernels.test.ts holds
 * that file up to date.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const OPTIONS = [
  '--runtime',
  'stub',
  '--enable',
  'simd',
  '--importMemory',
  '--noAssert',
  '-O3',
  '--converge',
];

/** @returns the text of src/image/kernels.generated.ts as the source says it now */
export function compileKernels(): string {
  const dir = mkdtempSync(join(tmpdir(), 'gleaner-kernels-'));
  try {
    const wasm = join(dir, 'kernels.wasm');
    // The command, not the module: its types bring a `console` of their own into the whole project.
    const asc = join(ROOT, 'node_modules', '.bin', 'asc');
    execFileSync(asc, ['assembly/pixels.ts', '--outFile', wasm, ...OPTIONS], { cwd: ROOT });
    const lines = readFileSync(wasm, 'base64').match(/.{1,100}/g) ?? [];
    return [
      '/** Made of assembly/pixels.ts by `node scripts/build-kernels.ts`; not to be edited. */',
      'export const KERNELS_WASM =',
      ...lines.map((line, i) => `  '${line}'${i < lines.length - 1 ? ' +' : ';'}`),
      '',
    ].join('\n');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) writeFileSync(join(ROOT, 'src/image/kernels.generated.ts'), compileKernels());
