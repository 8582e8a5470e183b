import { describe, expect, it } from 'vitest';
import { curvesSvg, niceTicks } from '../../examples/autodiff/curves.ts';

describe('niceTicks', () => {
  it.each([
    [0, 10, [0, 5, 10]],
    [0, 1000, [0, 500, 1000]],
    [0, 1.9, [0, 0.5, 1, 1.5, 2]],
    [-0.3, 0.3, [-0.4, -0.2, 0, 0.2, 0.4]],
    [0, 0, [0, 0.5]],
  ])('covers %d to %d by round numbers', (low, high, ticks) => {
    expect(niceTicks(low, high)).toEqual(ticks);
  });
});

describe('curvesSvg', () => {
  const plot = { title: 'Loss & more', x: 'step', y: 'loss (nats)' };
  const ys = (svg: string, name: string) =>
    new RegExp(`points="([^"]*)"><title>${name}<`)
      .exec(svg)?.[1]
      ?.split(' ')
      .map((point) => Number(point.split(',')[1]));

  it('draws each line to scale, names it at its end, and says what the axes are', () => {
    const points: [number, number][] = [
      [0, 10],
      [5, 0],
      [10, 5],
    ];
    const svg = curvesSvg({ ...plot, series: [{ name: 'seed 1', points }] });
    const [top, bottom, middle] = ys(svg, 'seed 1') ?? [];
    expect(middle).toBeCloseTo((top! + bottom!) / 2, 0);
    for (const words of ['Loss &amp; more', '>step<', '>loss (nats)<', '>seed 1</text>'])
      expect(svg).toContain(words);
    expect(svg).toContain('prefers-color-scheme:dark');
  });

  it('keeps names apart where lines end at one height', () => {
    const points: [number, number][] = [
      [0, 1],
      [1, 1],
    ];
    const names = ['a', 'b', 'c'];
    const svg = curvesSvg({ ...plot, series: names.map((name) => ({ name, points })) });
    const heights = names.map((name) =>
      Number(new RegExp(`y="([\\d.]+)"[^>]*>${name}</text>`).exec(svg)?.[1]),
    );
    heights.sort((a, b) => a - b);
    expect(Math.min(heights[1]! - heights[0]!, heights[2]! - heights[1]!)).toBeGreaterThanOrEqual(16);
  });

  it('draws means where there are more points than asked for, and nothing that is no number', () => {
    const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
    const svg = curvesSvg({ ...plot, most: 10, series: [{ name: 'noise', points }] });
    const drawn = ys(svg, 'noise') ?? [];
    expect(drawn).toHaveLength(10);
    expect(new Set(drawn).size).toBe(1); // each the mean of as many 0 as 1
    expect(() => curvesSvg({ ...plot, series: [{ name: 'x', points: [[0, Number.NaN]] }] })).toThrow(
      RangeError,
    );
    expect(() => curvesSvg({ ...plot, series: [] })).toThrow('nothing to draw');
  });
});
