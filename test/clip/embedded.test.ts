import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { identifyModel, loadClip, resolveModel } from '../../src/clip/index.ts';

const dir = fileURLToPath(new URL('../../models/gleaner-mini', import.meta.url));

describe.skipIf(!existsSync(dir))('gleaner-mini', () => {
  it('loads by its name, through the code that loads any CLIP', async () => {
    expect(resolveModel('gleaner-mini')).toBe(dir);
    const model = await loadClip(resolveModel('gleaner-mini'));
    expect(model.name).toBe('gleaner-mini');
    expect(model).toMatchObject(await identifyModel(dir));
    const { dimension } = model;
    const texts = await model.embedTexts(['dog', 'dog face', 'airplane', '']);
    const row = (i: number) => texts.subarray(i * dimension, (i + 1) * dimension);
    const cosine = (a: number, b: number) => row(a).reduce((sum, v, i) => sum + v * (row(b)[i] ?? 0), 0);
    for (const i of [0, 1, 2, 3]) expect(cosine(i, i)).toBeCloseTo(1, 5);
    expect(cosine(0, 1)).toBeGreaterThan(cosine(0, 2));
    const grey = { data: new Uint8Array(90 * 70 * 3).fill(99), width: 90, height: 70 };
    expect(await model.embedImages([grey, grey])).toHaveLength(2 * dimension);
    await model.close();
  });
});
