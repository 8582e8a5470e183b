/** A run keeps to one model, in the same numbers, on the same kind of machine. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identifyModel, resolveModel } from '../../src/clip/index.ts';
import { loadRecipe } from '../../src/config/index.ts';
import { beginRun, type RunSpec, readRunFile } from '../../src/pipeline/run-file.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { tinyText, tinyVision, writeTinyModel } from '../clip/tiny-model.ts';

describe('a run', () => {
  let folder: string;
  let spec: RunSpec;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-one-model-'));
    const modelDir = writeTinyModel(join(folder, 'model'), {
      'onnx/vision_model_int8.onnx': tinyVision({ quantized: true }),
      'onnx/text_model_int8.onnx': tinyText(),
    });
    spec = {
      recipe: loadRecipe('everything'),
      ...{ wats: [], images: { kind: 'web', allowHosts: [] }, categories: null, seen: [], blocklists: {} },
      ...{ model: await identifyModel(modelDir), modelDir, provider: 'cpu' },
    };
    await beginRun(storage(), spec);
  });
  afterEach(() => rm(folder, { recursive: true }));
  const storage = () => fileStorage(join(folder, 'out'));

  it('writes down name and hashes of its model, and what it is run on', async () => {
    const stored = await readRunFile(storage());
    expect(stored).toMatchObject({ provider: 'cpu', model: { name: 'model', files: spec.model?.files } });
    expect(Object.keys(stored?.model?.files ?? {})).toContain('onnx/vision_model.onnx');
  });

  it('goes on with the same model from another folder', async () => {
    const moved = writeTinyModel(join(folder, 'moved'));
    await beginRun(storage(), { ...spec, model: await identifyModel(moved), modelDir: moved });
    expect((await readRunFile(storage()))?.modelDir).toBe(moved);
  });

  it('refuses another model, another variant of its own, and another provider', async () => {
    const before = await readFile(join(folder, 'out', 'run.json'), 'utf8');
    const other = resolveModel('gleaner-mini');
    const int8 = await identifyModel(join(folder, 'model'), { variant: 'int8' });
    const changes: [Partial<RunSpec>, RegExp][] = [
      [{ model: await identifyModel(other), modelDir: other }, /holds a run with another model/],
      [{ model: int8 }, /holds a run with another model/],
      [{ provider: 'cuda' }, /holds a run with another execution provider \(--provider\)/],
    ];
    for (const [change, message] of changes)
      await expect(beginRun(storage(), { ...spec, ...change })).rejects.toThrow(
        expect.objectContaining({ code: 'RUN_MISMATCH', message: expect.stringMatching(message) }),
      );
    expect(await readFile(join(folder, 'out', 'run.json'), 'utf8')).toBe(before);
  });
});
