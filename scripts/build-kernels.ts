/**
 * Compiles assembly/*.ts to WebAssembly and writes it, as base64, to kernels.generated.ts of the room that uses it: three
 * kilobytes at most, which so need no file beside the JavaScript, in no build and no worker. test/image/kernels.test.ts,
 * test/knn/dot-products.test.ts and test/knn/ivf-kernels.test.ts hold those files up to date.
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
  'assembly/codes.ts': 'src/knn/ivf-kernels.generated.ts',
} as const;

/** Beyond those of all: the codes of an index are in one memory for all threads, of 4 GiB at most (65,536 pages). */
const MORE_OPTIONS: Readonly<Partial<Record<keyof typeof KERNELS, readonly string[]>>> = {
  'assembly/codes.ts': [
    '--enable',
    'relaxed-simd',
    '--enable',
    'threads',
    '--sharedMemory',
    '--maximumMemory',
    '65536',
  ],
};

/** @returns the text of a kernels.generated.ts as its source says it now */
export function compileKernels(source: keyof typeof KERNELS): string {
  const dir = mkdtempSync(join(tmpdir(), 'gleaner-kernels-'));
  try {
    const wasm = join(dir, 'kernels.wasm');
    // The command, not the module: its types bring a `console` of their own into the whole project.
    const asc = join(ROOT, 'node_modules', '.bin', 'asc');
    const options = [...OPTIONS, ...(MORE_OPTIONS[source] ?? [])];
    execFileSync(asc, [source, '--outFile', wasm, ...options], { cwd: ROOT });
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
