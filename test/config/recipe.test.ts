import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { builtInRecipes, canonicalJson, loadRecipe, recipeHash } from '../../src/config/index.ts';

async function yaml(content: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'gleaner-recipe-')), 'own.yaml');
  await writeFile(path, content);
  return path;
}

describe('loadRecipe', () => {
  it('has the built-in recipes, each whole', () => {
    expect(builtInRecipes()).toEqual(['datacomp-basic', 'everything', 'laion2b-en', 'laion400m']);
    for (const name of builtInRecipes()) expect(loadRecipe(name).name).toBe(name);
  });

  it('laion400m has the numbers of the paper', () => {
    const recipe = loadRecipe('laion400m');
    expect(recipe.extract).toMatchObject({ minTextChars: 5, languages: ['en'] });
    expect(recipe.image).toMatchObject({
      minBytes: 5000,
      maxPixels: 89_478_485,
      formats: ['jpeg', 'png', 'webp'],
    });
    expect(recipe.image.storeShortestSide).toBe(256);
    expect(recipe.score.minSimilarity).toBe(0.3);
    expect(recipe.safety).toMatchObject({ dropMinors: true, dropAnimals: true });
    expect(recipe.release).toEqual({ parts: 32, maxRowsPerPart: 1_000_000 });
  });

  it('everything drops nothing by text, size or score', () => {
    const recipe = loadRecipe('everything');
    expect(recipe.extract).toMatchObject({ minTextChars: 1, maxTextChars: null, languages: null });
    expect(recipe.image.minBytes).toBe(0);
    expect(recipe.score.minSimilarity).toBeNull();
    expect(recipe.safety).toMatchObject({ dropMinors: false, dropAnimals: false });
  });

  it('is frozen to the bottom', () => {
    const recipe = loadRecipe('laion400m');
    expect(Object.isFrozen(recipe.image)).toBe(true);
    expect(Object.isFrozen(recipe.image.formats)).toBe(true);
  });

  it('changes single values by overrides and leaves the rest of the section', () => {
    const recipe = loadRecipe('laion400m', { score: { minSimilarity: 0.28 }, image: { minBytes: 1 } });
    expect(recipe.score).toMatchObject({ minSimilarity: 0.28, batchSize: 32 });
    expect(recipe.image).toMatchObject({ minBytes: 1, storeShortestSide: 256 });
  });

  it.each([
    ['name: own\nextract: { minTextChar: 5 }', 'extract', 'minTextChar'],
    ['name: own\nscore: { minSimilarity: 3 }', 'score.minSimilarity', '1'],
    ['name: own\nimage:\n  formats: [bmp]', 'image.formats.0', 'jpeg'],
    ['- a\n- b', 'file', 'mapping'],
    ['name: "own', 'line 1', ''],
    ['', 'file', 'mapping'],
  ])('says where a recipe is wrong: %j', async (content, where, problem) => {
    const path = await yaml(content);
    const failing = () => loadRecipe(path);
    expect(failing).toThrow(expect.objectContaining({ code: 'RECIPE_INVALID', exitCode: 2 }));
    expect(failing).toThrow(where);
    expect(failing).toThrow(problem);
    expect(failing).toThrow(/^[^\n]*$/);
  });

  it('lists what there is when there is no such recipe', () => {
    expect(() => loadRecipe('laion500m')).toThrow(/laion500m.*laion400m/);
    expect(() => loadRecipe('./no/such.yaml')).toThrow(expect.objectContaining({ code: 'RECIPE_UNKNOWN' }));
  });
});

describe('recipeHash', () => {
  it('depends on values, not on name, description or order of writing', async () => {
    const a = loadRecipe(await yaml('name: a\nscore: { minSimilarity: 0.3, batchSize: 8 }'));
    const b = loadRecipe(await yaml('score: { batchSize: 8, minSimilarity: 0.3 }\ndescription: x\nname: b'));
    const c = loadRecipe(await yaml('name: a\nscore: { minSimilarity: 0.31, batchSize: 8 }'));
    expect(recipeHash(a)).toBe(recipeHash(b));
    expect(recipeHash(a)).not.toBe(recipeHash(c));
  });

  it('depends on the numbers of the weights, not on what they are run on', async () => {
    const hash = async (score: string) => recipeHash(loadRecipe(await yaml(`name: a\nscore: ${score}`)));
    expect(await hash('{ provider: auto }')).toBe(await hash('{ provider: cuda }'));
    expect(await hash('{ variant: int8 }')).not.toBe(await hash('{ variant: fp32 }'));
  });

  it('does not depend on who publishes the release', async () => {
    const plain = loadRecipe(await yaml('name: a'));
    const said = loadRecipe(await yaml('name: a\ncard: { contact: a@example.org, license: CC0-1.0 }'));
    expect(recipeHash(said)).toBe(recipeHash(plain));
  });

  it('canonicalJson sorts keys at every depth and leaves arrays', () => {
    expect(canonicalJson({ b: [2, 1], a: { d: 1, c: null } })).toBe('{"a":{"c":null,"d":1},"b":[2,1]}');
  });
});
