import { describe, expect, test } from 'vitest';
import { loadDrawings, renderDrawing } from '../../examples/train-embedded/drawings.ts';

const fluent = loadDrawings('fluent-emoji');
const byId = (id: string) => {
  const drawing = fluent.find((d) => d.id === id);
  if (drawing === undefined) throw new Error(`fluent-emoji has no ${id}`);
  return drawing;
};

describe('loadDrawings', () => {
  test('gives a drawing its Unicode and CLDR names, keywords and group', () => {
    expect(byId('red-apple')).toMatchObject({
      set: 'fluent-emoji',
      hex: '1f34e', // https://unicode.org/emoji/charts/full-emoji-list.html#1f34e
      name: 'red apple',
      group: 'Food & Drink',
    });
    expect(byId('red-apple').keywords).toContain('fruit');
  });

  test('leaves out skin tones and national flags, and gives each emoji once', () => {
    expect(fluent.filter((d) => /1f3f[b-f]/.test(d.hex))).toEqual([]);
    expect(fluent.filter((d) => /^1f1[ef][0-9a-f]-1f1/.test(d.hex))).toEqual([]);
    expect(new Set(fluent.map((d) => d.hex)).size).toBe(fluent.length);
    expect(fluent.length).toBe(1554);
  });

  test('pools near-duplicates under one concept', () => {
    expect(byId('cat').concept).toBe(byId('cat-face').concept);
    expect(byId('man-farmer').concept).toBe(byId('woman-farmer').concept);
    expect(byId('one-oclock').concept).toBe(byId('two-thirty').concept);
    expect(byId('dog').concept).not.toBe(byId('cat').concept);
  });

  test("reads fxemoji's older names", () => {
    const names = new Map(loadDrawings('fxemoji').map((d) => [d.id, d.name]));
    expect([names.get('aubergine'), names.get('flexbicep')]).toEqual(['eggplant', 'flexed biceps']);
  });
});

describe('renderDrawing', () => {
  test('gives premultiplied pixels with the longest side asked for', () => {
    const { data, width, height } = renderDrawing(byId('red-apple'), 48);
    expect([width, height, data.length]).toEqual([48, 48, 48 * 48 * 4]);
    for (let i = 0; i < data.length; i += 4) {
      expect(Math.max(data[i]!, data[i + 1]!, data[i + 2]!)).toBeLessThanOrEqual(data[i + 3]!);
    }
    const middle = (24 * 48 + 24) * 4;
    expect(data[middle]).toBeGreaterThan(data[middle + 1]! + data[middle + 2]!); // an apple that is red
  });

  test('keeps the proportions of an oblong drawing', () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 20" width="10" height="20"></svg>';
    const { width, height } = renderDrawing({ svg }, 40);
    expect([width, height]).toEqual([20, 40]);
  });
});
