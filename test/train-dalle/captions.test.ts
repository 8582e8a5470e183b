import { expect, it } from 'vitest';
import { Rng } from '../../examples/autodiff/index.ts';
import { backgroundColour, parseCaption, recombine } from '../../examples/train-dalle/captions.ts';
import { type Captioned, measureFollowing } from '../../examples/train-dalle/following.ts';
import { drawText } from '../../examples/train-dalle/font.ts';
import { readOptions } from '../../examples/train-dalle/options.ts';
import { cut, psnr, toRgb } from '../../examples/train-dalle/pictures.ts';
import { recipeWith } from '../../examples/train-dalle/recipe.ts';
import { CaptionTokens, learnTokens } from '../../examples/train-dalle/text.ts';

const CAPTIONS = [
  'a drawing of a cat on a red background',
  'an illustration of a cat with a Blue background',
  'an emoji of a dog in front of the green background',
  'This is a picture of a red apple on a red background',
  'a drawing of a cat',
];

it('reads object and colour of a caption', () => {
  expect(CAPTIONS.map(parseCaption).map((one) => one && [one.object, one.colour])).toEqual([
    ['a cat', 'red'],
    ['a cat', 'blue'],
    ['a dog', 'green'],
    ['a red apple', 'red'],
    undefined,
  ]);
});

it('puts objects before colours that were seen, but never behind them, named or not', () => {
  const corners = ['red', 'blue', 'green', 'red', 'white'];
  const all = (seen: readonly string[]) => CAPTIONS.map((caption, i) => ({ caption, seen: seen[i]! }));
  const made = (seen: readonly string[]) => {
    const many = Array.from({ length: 40 }, (_, seed) => recombine(all(seen), 3, new Rng(seed)));
    return [...new Set(many.flat().map(({ caption }) => caption))].sort();
  };
  // A cat was seen on red and blue, the apple on red: its own colour is no background.
  const apple = ['blue', 'green'].map((c) => `This is a picture of a red apple on a ${c} background`);
  const dog = ['blue', 'red'].map((c) => `an emoji of a dog in front of the ${c} background`);
  expect(made(corners)).toEqual([...apple, ...dog, 'an illustration of a cat with a green background']);
  // "a drawing of a cat" is on green too, though it does not say so: there is no new colour for a cat.
  expect(made(corners.with(4, 'green'))).toEqual([...apple, ...dog]);
  expect(recombine([{ caption: 'nothing of that kind', seen: 'red' }], 3, new Rng(1))).toEqual([]);
});

/** 8 × 8, one colour, but for the middle. */
const square = ([r, g, b]: readonly [number, number, number]) =>
  Float32Array.from({ length: 192 }, (_, i) => {
    const [c, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
    const middle = x > 0 && x < 7 && y > 0 && y < 7;
    return middle ? 1 : [r, g, b][c]! / 127.5 - 1;
  });

it('names the colour of the corners', () => {
  const names = ['red', 'green', 'blue', 'white'];
  expect(backgroundColour(square([200, 60, 60]), 8, names)).toBe('red');
  expect(backgroundColour(square([90, 120, 200]), 8, names)).toBe('blue');
  expect(backgroundColour(square([230, 230, 240]), 8, names)).toBe('white');
});

it('counts how often pictures follow', async () => {
  const one = (object: string, colour: string, seen: string): Captioned => ({
    ...{ caption: `${object} ${colour}`, object, colour, seen },
    picture: { data: new Uint8Array(3), width: 1, height: 1 },
  });
  const all = [
    one('cat', 'red', 'red'),
    one('dog', 'red', 'red'),
    one('cat', 'blue', 'red'),
    one('dog', 'blue', 'red'),
  ];
  // By objects alone: pictures are of a cat, a dog, a dog, a dog.
  const [cat, dog] = [
    [1, 0],
    [0, 1],
  ];
  const clip = {
    embedImages: async () => Float32Array.from([cat, dog, dog, dog].flat()),
    embedTexts: async () => Float32Array.from([cat, dog, cat, dog].flat()),
  };
  const found = await measureFollowing(clip, all);
  expect(found).toMatchObject({ pictures: 4, colour: 0.5, caption: 0.75, object: 0.75 });
  expect(found.colourByChance).toBe(0.5); // half of the captions say red, whichever picture they go to
});

it('cuts squares out, and gives them back as they were', () => {
  const images = Uint8Array.from({ length: 3 * 16 }, (_, i) => 5 * i);
  const middle = cut(images, 4, 2);
  // Planes of 16: the middle is 5, 6, 9, 10 of each.
  expect([...toRgb(middle, 0, 2).data]).toEqual(
    [5, 6, 9, 10].flatMap((p) => [5 * p, 5 * (p + 16), 5 * (p + 32)]),
  );
  const corners = new Set(
    Array.from({ length: 60 }, (_, seed) => toRgb(cut(images, 4, 2, new Rng(seed)), 0, 2).data[0]),
  );
  expect([...corners].map((level) => level! / 5).sort((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6, 8, 9, 10]);
  expect(psnr(4 / 100)).toBeCloseTo(20);
});

it('encodes captions, and knows what there is to foresee', () => {
  const tokens = new CaptionTokens(learnTokens(CAPTIONS, 200), 7);
  const captions = ['a cat', undefined, CAPTIONS[0]!];
  const ids = tokens.encode(captions);
  const [start, end] = [BigInt(tokens.vocabulary - 2), BigInt(tokens.vocabulary - 1)];
  expect([...ids.subarray(0, 7)].map((id) => (id === start ? 's' : id === end ? 'e' : '-')).join('')).toBe(
    's--eeee',
  );
  expect(ids.subarray(7, 14)).toEqual(BigInt64Array.of(start, end, end, end, end, end, end));
  expect([...ids.subarray(14)].filter((id) => id === end)).toEqual([end]); // cut off, but ended
  expect([...tokens.weights(captions, ids)]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
});

it('draws letters of dots', () => {
  const dots: string[] = [];
  drawText('iL?€', 13, (x, y) => dots.push(`${x},${y}`));
  const rows = Array.from({ length: 9 }, (_, y) =>
    Array.from({ length: 12 }, (_, x) => (dots.includes(`${x},${y}`) ? '#' : '.')).join(''),
  );
  expect(rows).toEqual([
    '..#....##...',
    '........#...',
    '.##.....#...',
    '..#.....#...',
    '..#.....#...',
    '..#.....#...',
    '.###...###..',
    '............',
    '............',
  ]);
});

it('takes a recipe with other values, and names one that cannot be', () => {
  const recipe = recipeWith('{"vq":{"codes":32},"seed":7}', 'tiny.json');
  expect([recipe.seed, recipe.vq.codes, recipe.vq.side]).toEqual([7, 32, 64]);
  expect(() => recipeWith('{"vq":{"side":60}}', 'tiny.json')).toThrow(/^tiny\.json: vq\.side: .*8/);
  expect(() => recipeWith('{"transformer":{"heads":5}}', 'tiny.json')).toThrow(
    /transformer\.heads: has to divide/,
  );
  expect(() => recipeWith('{"vqq":1}', 'tiny.json')).toThrow(/^tiny\.json: recipe: .*vqq/);
  expect(() => recipeWith('{', 'tiny.json')).toThrow(/^tiny\.json: is no JSON\.$/);
});

it('reads the command line, and says what is wrong with it in one line', () => {
  const options = readOptions([
    'run',
    '--out',
    'x',
    '--seed',
    '7',
    '--caption',
    'a cat',
    '--caption',
    'a dog',
  ]);
  expect(options).toMatchObject({ dir: 'run', out: 'x', recipe: { seed: 7 }, captions: ['a cat', 'a dog'] });
  expect(readOptions(['--help'])).toBeUndefined();
  const refused: [string[], RegExp][] = [
    [[], /^Give one folder/],
    [['run'], /^--out is missing/],
    [['run', '--out', 'x', '--seed', 'one'], /^--seed is a whole number of at least 0, not 'one'/],
    [['run', '--out', 'x', '--sede', '1'], /--sede/],
    [['run', '--out', 'x', '--recipe', 'nowhere.json'], /^nowhere\.json: no such file/],
  ];
  for (const [args, message] of refused) expect(() => readOptions(args), args.join(' ')).toThrow(message);
});
