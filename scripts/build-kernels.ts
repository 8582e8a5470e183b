/**
 * Compiles assembly/*.ts to WebAssembly and writes it, as base64, to kernels.generated.ts of the room that uses it: two
 * kilobytes at most, which so need no file beside the JavaScript, in no build and no worker. test/image/kernels.test.ts and
 * test/knn/dot-products.test.ts hold those files up to date.
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

/** Which file each is made into. */
const KERNELS = {
  'assembly/pixels.ts': 'src/image/kernels.generated.ts',
  'assembly/vectors.ts': 'src/knn/kernels.generated.ts',
} as const;

/** @returns the text of a kernels.generated.ts as its source says it now */
export function compileKernels(source: keyof typeof KERNELS): string {
  const dir = mkdtempSync(join(tmpdir(), 'gleaner-kernels-'));
  try {
    const wasm = join(dir, 'kernels.wasm');
    // The command, not the module: its types bring a `console` of their own into the whole project.
    const asc = join(ROOT, 'node_modules', '.bin', 'asc');
    execFileSync(asc, [source, '--outFile', wasm, ...OPTIONS], { cwd: ROOT });
    const lines = readFileSync(wasm, 'base64').match(/.{1,100}/g) ?? [];
    return [
      `/** Made of ${source} by \`node scripts/build-kernels.ts\`; not to be edited. */`,
      'export const KERNELS_WASM =',
      ...lines.map((line, i) => `  '${line}'${i < lines.length - 1 ? ' +' : ';'}`),
      '',
    ].join('\n');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.main)
  for (const source of Object.keys(KERNELS) as (keyof typeof KERNELS)[])
    writeFileSync(join(ROOT, KERNELS[source]), compileKernels(source));
