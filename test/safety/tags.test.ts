import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCategories } from '../../src/safety/categories.ts';
import {
  createSafetyTagger,
  loadSafetyCategories,
  type SafetyCategories,
  type SafetyOptions,
  safetyPrompts,
} from '../../src/safety/index.ts';
import { wordFinder } from '../../src/safety/words.ts';

const CATEGORIES: SafetyCategories = {
  name: 'test',
  version: '1',
  source: 'here',
  licence: 'Apache-2.0',
  safe: ['house', 'tree', 'car'],
  sexual: ['lips', 'swimsuit'],
  minors: {
    prompts: ['baby', 'boy'],
    others: ['man', 'woman'],
    words: ['kid', 'little girl'],
    wordLists: [],
  },
  animals: { prompts: ['dog'], others: ['chair', 'rock'], words: ['dog'], wordLists: [] },
};
const PROMPTS = safetyPrompts(CATEGORIES);
/** Each prompt is a direction of its own, so that an image's numbers are its scores. */
const EMBEDDINGS = Float32Array.from({ length: PROMPTS.length ** 2 }, (_, i) =>
  Math.floor(i / PROMPTS.length) === i % PROMPTS.length ? 1 : 0,
);

/** What becomes of an image with these scores (0 where none is given), as one word and a detail. */
function judge(
  scores: Readonly<Record<string, number>>,
  text = 'some text',
  options: SafetyOptions = {},
): string {
  expect(PROMPTS).toEqual(expect.arrayContaining(Object.keys(scores)));
  const image = Float32Array.from(PROMPTS, (prompt) => scores[prompt] ?? 0);
  const outcome = createSafetyTagger(CATEGORIES, EMBEDDINGS, options).tag(image, text);
  return outcome.kept ? outcome.value : `${outcome.reason}, ${outcome.detail}`;
}

/** Neither minors nor animals among the two best. */
const ADULT = { man: 0.9, woman: 0.8, chair: 0.9, rock: 0.8 };

describe('the NSFW class', () => {
  it.each([
    ['UNLIKELY', { house: 0.3, tree: 0.2, lips: 0.1 }],
    ['UNLIKELY', { house: 0.3, tree: 0.2, lips: 0.199, swimsuit: 0.199 }],
    ['UNSURE', { house: 0.3, lips: 0.2, tree: 0.1 }],
    ['UNSURE', { lips: 0.3, house: 0.2, swimsuit: 0.1 }],
    ['NSFW', { lips: 0.3, swimsuit: 0.2, house: 0.1 }],
    ['NSFW', { swimsuit: -0.1, lips: -0.2, house: -0.3, tree: -0.3, car: -0.3 }],
  ])('%s from %j', (expected, scores) => {
    expect(judge({ ...ADULT, ...scores })).toBe(expected);
  });

  it('counts against the image where scores are equal', () => {
    expect(judge({ ...ADULT, house: 0.3, tree: 0.2, lips: 0.2 })).toBe('UNSURE');
    expect(judge({ ...ADULT, house: 0.3, tree: 0.3, lips: 0.3, swimsuit: 0.3 })).toBe('NSFW');
  });

  it('has the last safe and the first sexual prompt on their sides of the boundary', () => {
    expect(judge({ ...ADULT, car: 0.3, tree: 0.2 })).toBe('UNLIKELY');
    expect(judge({ ...ADULT, lips: 0.3, car: 0.2 })).toBe('UNSURE');
  });
});

it('all rules are those of the paper, on scores of every kind, equal ones among them', () => {
  // A reading of its own of the rules: how many others are better decides, not an order that is sorted.
  const two = (
    scores: Readonly<Record<string, number>>,
    flagged: readonly string[],
    others: readonly string[],
  ) => {
    const better = (p: string) =>
      [...flagged, ...others].filter((q) => {
        const [mine = 0, its = 0] = [scores[p], scores[q]];
        if (its !== mine) return its > mine;
        if (flagged.includes(q) !== flagged.includes(p)) return flagged.includes(q);
        return [...flagged, ...others].indexOf(q) < [...flagged, ...others].indexOf(p);
      }).length;
    return flagged.filter((p) => better(p) < 2).length;
  };
  const { safe, sexual, minors, animals } = CATEGORIES;
  // Few values, so that many are equal; all are exact in 32 bits.
  const score = fc.integer({ min: -4, max: 4 }).map((n) => n / 8);
  const text = fc.constantFrom('some text', 'A Kid', 'hot dog', 'kid and dog', 'kidney');
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(score, { minLength: PROMPTS.length, maxLength: PROMPTS.length }),
      text,
      fc.boolean(),
      (list, words, all) => {
        const scores = Object.fromEntries(PROMPTS.map((prompt, i) => [prompt, list[i] ?? 0]));
        const nsfw = (['UNLIKELY', 'UNSURE', 'NSFW'] as const)[two(scores, sexual, safe)] ?? '';
        const asked = all || nsfw !== 'UNLIKELY';
        const minor = /\bkid\b/i.test(words) || two(scores, minors.prompts, minors.others) > 0;
        const animal = /\bdog\b/i.test(words) || two(scores, animals.prompts, animals.others) > 0;
        const expected = asked && minor ? 'minor' : asked && animal ? 'animal' : nsfw;
        expect(judge(scores, words, { dropUnlikely: all }).split(',')[0]).toBe(expected);
        outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1);
      },
    ),
    { numRuns: 5000 },
  );
  expect([...outcomes.keys()].sort()).toEqual(['NSFW', 'UNLIKELY', 'UNSURE', 'animal', 'minor']);
});

describe('what may not stand beside it', () => {
  const unsure = { ...ADULT, lips: 0.3, house: 0.2 };
  const nsfw = { ...ADULT, lips: 0.3, swimsuit: 0.2 };

  it.each([unsure, nsfw])('a minor: by a word, by either of the two best prompts', (scores) => {
    expect(judge(scores, 'two kid gloves')).toBe('minor, word: kid');
    expect(judge({ ...scores, baby: 0.95 })).toBe('minor, prompt: baby');
    expect(judge({ ...scores, boy: 0.85 })).toBe('minor, prompt: boy');
    expect(judge({ ...scores, boy: 0.75 })).not.toContain('minor');
  });

  it('a minor at equal scores', () => {
    expect(judge({ ...unsure, boy: 0.8 })).toBe('minor, prompt: boy');
  });

  it.each([unsure, nsfw])('an animal: likewise', (scores) => {
    expect(judge(scores, 'Hot dog')).toBe('animal, word: dog');
    expect(judge({ ...scores, dog: 0.95 })).toBe('animal, prompt: dog');
    expect(judge({ ...scores, dog: 0.8 })).toBe('animal, prompt: dog');
    expect(judge({ ...scores, dog: 0.75 })).toBe(judge(scores));
  });

  it('asks for minors before animals', () => {
    expect(judge({ ...nsfw, dog: 1 }, 'a kid and a dog')).toBe('minor, word: kid');
  });

  it('asks nothing of an UNLIKELY image', () => {
    expect(judge({ house: 0.3, tree: 0.2, baby: 1, dog: 1 }, 'a kid and a dog')).toBe('UNLIKELY');
  });

  it('asks it of an UNLIKELY image too where the recipe says so', () => {
    const unlikely = { ...ADULT, house: 0.3, tree: 0.2 };
    const both = { dropUnlikely: true };
    expect(judge(unlikely, 'x', both)).toBe('UNLIKELY');
    expect(judge(unlikely, 'a kid', both)).toBe('minor, word: kid');
    expect(judge({ ...unlikely, boy: 0.8 }, 'x', both)).toBe('minor, prompt: boy');
    expect(judge({ ...unlikely, dog: 0.8 }, 'x', both)).toBe('animal, prompt: dog');
    expect(judge({ ...unlikely, dog: 0.79 }, 'x', both)).toBe('UNLIKELY');
    expect(judge({ ...unlikely, dog: 1 }, 'a dog', { ...both, dropAnimals: false })).toBe('UNLIKELY');
    expect(judge({ ...unsure, boy: 0.8 }, 'x', both)).toBe('minor, prompt: boy');
  });

  it('keeps the class where the recipe drops nothing', () => {
    const all = { ...nsfw, baby: 1, dog: 1 };
    expect(judge(all, 'kid', { dropMinors: false, dropAnimals: false })).toBe('NSFW');
    expect(judge(all, 'kid', { dropMinors: false })).toBe('animal, prompt: dog');
    expect(judge({ ...nsfw, dog: 1 }, 'x', { dropAnimals: false })).toBe('NSFW');
  });

  it('refuses embeddings of another size', () => {
    expect(() => createSafetyTagger(CATEGORIES, EMBEDDINGS.subarray(1))).toThrow(RangeError);
    expect(() => createSafetyTagger(CATEGORIES, EMBEDDINGS).tag(new Float32Array(3), '')).toThrow(RangeError);
  });
});

describe('words', () => {
  const find = wordFinder(['kid', 'little girl', 'teen', 'c++']);

  it.each([
    ['Kid', 'kid'],
    ['KID, smiling', 'kid'],
    ['a\u00a0kid', 'kid'],
    ["the kid's bike", 'kid'],
    ['kid-friendly', 'kid'],
    ['ＫＩＤ', 'kid'],
    ['a Little \n Girl', 'little girl'],
    ['(teen)', 'teen'],
    ['in C++ and C', 'c++'],
  ])('%j has %s', (text, word) => {
    expect(find(text)).toBe(word);
  });

  it.each(['kidney', 'skid', 'canteen', 'teens', 'little red girl', 'kid2', 'kidó', ''])(
    '%j has none',
    (text) => {
      expect(find(text)).toBeUndefined();
    },
  );

  it.each([
    // Case by Unicode's CaseFolding.txt: ß is ss, final sigma is sigma; and both i of Turkish are one.
    ['straße', 'EINE STRASSE', 'strasse'],
    ['παιδιός', 'ΠΑΙΔΙΌΣ', 'παιδιόσ'],
    ['çıplak', 'ÇIPLAK', 'çiplak'],
    ['kitap', 'KİTAP', 'kitap'],
    ['ребёнок', 'Мой РЕБЁНОК.', 'ребёнок'],
    // The same letter in one or two code points, and what is not seen.
    ['bébé', 'un be\u0301be\u0301', 'bébé'],
    ['kid', 'k\u00adi\u200bd', 'kid'],
    ['बच्चा', 'एक बच्चा है', 'बच्चा'],
    // Scripts without spaces: anything may stand beside.
    ['子供', '可愛い子供服', '子供'],
    ['儿童', '这是儿童房', '儿童'],
    ['เด็ก', 'เสื้อเด็กชาย', 'เด็ก'],
    ['キッズ', 'キッズルーム', 'キッズ'],
    ['어린이', '착한 어린이', '어린이'],
  ])('%s is found in %s', (word, text, found) => {
    expect(wordFinder([word])(text)).toBe(found);
  });

  it.each([
    // Scripts with spaces keep their edges, marks count, and so do accents.
    ['बच्च', 'बच्चा'],
    ['아이', '아이폰'],
    ['кот', 'который'],
    ['bebe', 'bébé'],
    ['طفل', 'الطفل'],
    // The edge that is of such a script is open, the other is not.
    ['kid服', 'xkid服'],
  ])('%s is not found in %s', (word, text) => {
    expect(wordFinder([word])(text)).toBeUndefined();
  });

  it('are found wherever they stand between other words', () => {
    const word = fc.constantFrom('a', 'kidney', 'house', 'ski', 'd', '12');
    fc.assert(
      fc.property(fc.array(word), fc.array(word), (before, after) => {
        expect(find([...before, 'Kid', ...after].join(' '))).toBe('kid');
        expect(find([...before, ...after].join(' '))).toBeUndefined();
      }),
    );
  });

  it('none: finds nothing', () => {
    expect(wordFinder([])('kid')).toBeUndefined();
  });
});

describe('categories', () => {
  it('come with stand-ins that say where they are from', async () => {
    const categories = await loadSafetyCategories('stand-in');
    expect(categories).toMatchObject({ name: 'stand-in', version: '2', licence: 'Apache-2.0' });
    expect(categories.source).not.toBe('');
    expect(categories.safe.length).toBeGreaterThanOrEqual(20);
    expect(categories.sexual).toEqual(['bikini', 'kiss mark']);
    expect(categories.minors.words).toEqual(expect.arrayContaining(['teen', 'kid', 'child', 'baby']));
    const { length } = safetyPrompts(categories);
    const { minors, animals, safe, sexual } = categories;
    expect(length).toBe(
      [safe, sexual, minors.prompts, minors.others, animals.prompts, animals.others].flat().length,
    );
  });

  it('are read from a file', async () => {
    const file = new URL('../../src/safety/categories/stand-in.yaml', import.meta.url).pathname;
    expect(await loadSafetyCategories(file)).toEqual(await loadSafetyCategories('stand-in'));
    await expect(loadSafetyCategories('no-such-list')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('take words from lists beside their file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gleaner-words-'));
    const file = join(folder, 'mine.yaml');
    const minors = { ...CATEGORIES.minors, wordLists: ['a list.txt', 'more.txt.gz'] };
    await writeFile(file, JSON.stringify({ ...CATEGORIES, minors }));
    await writeFile(join(folder, 'a list.txt'), '# French\nbébé\nkid\n\nmineur isolé # a phrase\n');
    await expect(loadSafetyCategories(file)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await writeFile(join(folder, 'more.txt.gz'), gzipSync('子供\n'));
    const loaded = await loadSafetyCategories(file);
    expect(loaded.minors.words).toEqual(['kid', 'little girl', 'bébé', 'mineur isolé', '子供']);
    expect(loaded.animals).toEqual(CATEGORIES.animals);
    // Where the words stand makes no other set.
    expect(loaded.minors.wordLists).toEqual([]);
  });

  it('come with words of many languages, none of which is an ordinary English one', async () => {
    const { minors, animals } = await loadSafetyCategories('stand-in');
    const [minor, animal] = [wordFinder(minors.words), wordFinder(animals.words)];
    for (const text of ['Deux ENFANTS jouent', 'かわいい子供服', 'мальчик', 'ÇOCUK', '어린이 책'])
      expect(minor(text), text).toBeDefined();
    for (const text of ['zwei Hunde', 'ЛОШАДЬ', '动物园', 'Köpek']) expect(animal(text), text).toBeDefined();
    for (const text of ['A kind of flower', 'live chat', 'top tier apple pies', 'a walking cane'])
      expect([minor(text), animal(text)], text).toEqual([undefined, undefined]);
  });

  const yaml = (changes: object) => JSON.stringify({ ...CATEGORIES, ...changes });
  it.each([
    ['not YAML', '{', /file: is not YAML/],
    ['a list missing', yaml({ sexual: undefined }), /sexual/],
    ['a list of other things', yaml({ safe: ['house', 7] }), /safe\.1/],
    ['an empty prompt', yaml({ safe: ['house', ' '] }), /safe\.1/],
    ['an unknown section', yaml({ weapons: [] }), /weapons/i],
    ['no licence', yaml({ licence: undefined }), /licence/],
    ['a prompt on both sides', yaml({ safe: ['house', 'lips'] }), /safe, sexual: has 'lips' twice/],
    [
      'too few to have two best',
      yaml({ animals: { prompts: ['dog'], others: [], words: [] } }),
      /animals: needs two/,
    ],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseCategories('mine.yaml', text)).toThrow(message);
    expect(() => parseCategories('mine.yaml', text)).toThrow(
      expect.objectContaining({ code: 'RECIPE_INVALID' }),
    );
  });
});
