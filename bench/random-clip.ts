import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { copyFile, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const HARNESS = join(ROOT, '../shared/peers/clip');
const KINDS = { fp32: '', int8: '_quantized' } as const;

/**
 * A random ViT-B/32 of full size as ../shared/peers/clip/make-clip-onnx.py makes it, laid out as the hub does: fp32 and int8.
 *
 * @param python of the environment that ../shared/peers/clip/setup.sh made
 * @returns the folders of both
 */
export async function makeRandomClip(
  python: string,
  folder: string,
): Promise<Record<keyof typeof KINDS, string>> {
  const made = join(folder, 'b32');
  const run = promisify(execFile);
  if (!existsSync(join(made, 'model_quantized.onnx'))) {
    await mkdir(folder, { recursive: true });
    await run(python, [join(HARNESS, 'make-clip-onnx.py'), 'b32', made]);
  }
  if (!existsSync(join(made, 'tokenizer.json')))
    await run(python, [join(ROOT, 'bench/clip-tokenizer.py'), made]);
  for (const [kind, suffix] of Object.entries(KINDS)) {
    const dir = join(folder, kind);
    await rm(dir, { recursive: true, force: true });
    await mkdir(join(dir, 'onnx'), { recursive: true });
    for (const json of globSync('*.json', { cwd: made })) await copyFile(join(made, json), join(dir, json));
    for (const tower of ['vision', 'text'])
      await symlink(join(made, `${tower}_model${suffix}.onnx`), join(dir, `onnx/${tower}_model.onnx`));
  }
  return { fp32: join(folder, 'fp32'), int8: join(folder, 'int8') };
}
