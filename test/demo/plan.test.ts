import { describe, expect, it } from 'vitest';
import { formatJudgement, judge } from '../../demo/judge.ts';
import type { ImageLink, Page, Picture } from '../../demo/model.ts';
import { srcOf } from '../../demo/pages.ts';
import { makePlan, type PlannedLink, planCounts, planJson } from '../../demo/plan.ts';
import { handMadeWeb, subject } from './fixture.ts';

const ORIGINS = ['http://127.0.0.1:8001', 'http://127.0.0.1:8002'];
const APPLE = subject('red apple', 'food and drink');
const DOG = subject('dog', 'animals and nature');

const apple: Picture = {
  host: 0,
  path: '/images/gr%C3%B6%C3%9Fer/apple%201.jpg',
  subject: APPLE,
  end: 'scored',
};
const dog: Picture = { host: 1, path: '/a/b/dog.png?v=2', subject: DOG, end: 'scored' };
const gone: Picture = { host: 0, path: '/gone.jpg', subject: DOG, end: 'http_status' };

function link(picture: Picture, change: Partial<ImageLink> & { alt: string | undefined }): ImageLink {
  const target = { kind: 'picture', picture, form: 'absolute', fragment: '', raw: false } as const;
  return { target, about: undefined, textEnd: undefined, ...change };
}
function page(path: string, images: readonly ImageLink[], more: Partial<Page> = {}): Page {
  return { host: 0, path, title: path, base: undefined, license: undefined, images, ...more };
}

const TEXT = 'this is a drawing of a red apple';
const CC = { url: 'https://creativecommons.org/licenses/by/4.0/', as: 'anchor' } as const;
// Pages 0 and 2 are in the first WAT, page 1 in the second: what page 2 shows is seen before page 1.
const PAGES = [
  page('/0', [
    link(apple, { alt: TEXT, about: DOG }),
    link(apple, { alt: '', textEnd: 'no_text' }),
    link(apple, { alt: undefined, textEnd: 'no_text' }),
    link(gone, { alt: 'this is a drawing of a dog', about: DOG }),
    {
      ...link(dog, { alt: TEXT, about: APPLE }),
      target: { kind: 'data', uri: 'data:image/gif;base64,R0lGOD' },
    },
  ]),
  page('/1', [
    link(dog, { alt: 'this is a drawing of a dog', about: DOG }),
    link(dog, { alt: '  this is a\n drawing of a dog ', about: DOG }),
    link(dog, { alt: 'dog', textEnd: 'text_short' }),
    link(dog, { alt: 'dog', textEnd: 'text_short' }),
  ]),
  page(
    '/2',
    [
      link(dog, { alt: 'this is a drawing of a dog', about: DOG }),
      link(apple, { alt: 'Das ist ein Apfel', textEnd: 'language' }),
    ],
    {
      license: CC,
    },
  ),
];
const WEB = handMadeWeb(PAGES, [apple, dog, gone]);
const DOG_URL = 'http://127.0.0.1:8002/a/b/dog.png?v=2';

describe('makePlan', () => {
  const plan = makePlan(WEB, ORIGINS, 2);

  it('ends every link where the recipe has to, in the order of the crawl', () => {
    expect(plan.links.map(({ wat, text, end }) => [wat, text, end])).toEqual([
      [0, TEXT, 'scored'],
      [0, '', 'no_text'],
      [0, '', 'no_text'],
      [0, 'this is a drawing of a dog', 'http_status'],
      [0, TEXT, 'url_scheme'],
      [0, 'this is a drawing of a dog', 'scored'],
      [0, 'Das ist ein Apfel', 'language'],
      [1, 'this is a drawing of a dog', 'duplicate'],
      [1, 'this is a drawing of a dog', 'duplicate'],
      [1, 'dog', 'text_short'],
      [1, 'dog', 'text_short'],
    ]);
  });

  it('knows right texts from wrong ones', () => {
    expect(plan.links[0]).toMatchObject({ right: false, license: '?' });
    expect(plan.links[5]).toMatchObject({ right: true, license: CC.url, url: DOG_URL });
  });

  it('counts by reason', () => {
    expect(planCounts(plan)).toEqual({
      links: 11,
      dropped: { no_text: 2, url_scheme: 1, text_short: 2, language: 1, duplicate: 2, http_status: 1 },
      right: 1,
      wrong: 1,
    });
  });

  it('can be read back from its file', () => {
    expect(JSON.parse(planJson(plan))).toEqual({ ...plan, counts: planCounts(plan) });
  });
});

describe('srcOf', () => {
  const forms = ['absolute', 'scheme-relative', 'root-relative', 'relative'] as const;
  const bases = [
    undefined,
    { place: { host: 0, path: '/images/' }, form: 'root-relative' },
    { place: { host: 1, path: '/a/x.html' }, form: 'scheme-relative' },
    { place: { host: 0, path: '/' }, form: 'absolute' },
  ] as const;

  it.each(forms)('writes %s addresses that lead to the picture from every base', (form) => {
    for (const base of bases)
      for (const picture of [apple, dog])
        for (const raw of [false, true]) {
          const here = page('/posts/2021/04/page-1/', [], { base });
          const src = srcOf(
            link(picture, { alt: '', target: { kind: 'picture', picture, form, fragment: '#x', raw } }),
            here,
            ORIGINS,
          );
          const start =
            base === undefined
              ? `${ORIGINS[0]}${here.path}`
              : `${ORIGINS[base.place.host]}${base.place.path}`;
          expect(new URL(src, start).href).toBe(`${ORIGINS[picture.host]}${picture.path}#x`);
        }
  });

  it('writes what editors write', () => {
    const here = page('/posts/1/', []);
    const src = (form: (typeof forms)[number], raw = false) =>
      srcOf(
        link(apple, { alt: '', target: { kind: 'picture', picture: apple, form, fragment: '', raw } }),
        here,
        ORIGINS,
      );
    expect(src('relative')).toBe('../../images/gr%C3%B6%C3%9Fer/apple%201.jpg');
    expect(src('root-relative', true)).toBe('/images/größer/apple 1.jpg');
    expect(src('scheme-relative')).toBe('//127.0.0.1:8001/images/gr%C3%B6%C3%9Fer/apple%201.jpg');
  });
});

describe('judge', () => {
  const planned = (
    url: string,
    end: 'right' | 'wrong' | 'duplicate' | 'robots' | 'timeout' | 'no_text',
  ): PlannedLink => {
    const rest = { wat: 0, pageUrl: 'http://a/', url, text: 'text', license: '?' };
    if (end === 'right' || end === 'wrong') return { ...rest, end: 'scored', right: end === 'right' };
    return { ...rest, end };
  };
  const found = (url: string, end: string) => ({ url, text: 'text', license: '?', end });
  const plan = {
    ...{ seed: 1, hosts: 1, pages: 1, pictures: 1, wats: 1 },
    links: [
      planned('a', 'right'),
      planned('b', 'right'),
      planned('c', 'wrong'),
      planned('d', 'wrong'),
      planned('a', 'duplicate'),
      planned('e', 'robots'),
      planned('f', 'no_text'),
    ],
  };
  const asPlanned = [
    found('a', 'released'),
    found('b', 'similarity'),
    found('c', 'minor'),
    found('d', 'similarity'),
    found('a', 'duplicate'),
    found('e', 'robots'),
  ];

  it('finds nothing where a run ended as planned, and scores the threshold', () => {
    const judgement = judge(plan, asPlanned, 1);
    expect(judgement.mismatches).toEqual([]);
    expect(judgement.threshold).toEqual({
      ...{ rightKept: 1, rightDropped: 1, wrongKept: 1, wrongDropped: 1 },
      ...{ precision: 0.5, recall: 0.5, specificity: 0.5 },
    });
    expect(formatJudgement(judgement)).toContain('7 of 7 links');
  });

  it('takes a host that was left alone after it stalled for what was planned, and no other', () => {
    const slow = { ...plan, links: [...plan.links, planned('g', 'timeout')] };
    expect(judge(slow, [...asPlanned, found('g', 'host_down')], 1).mismatches).toEqual([]);
    const alone = asPlanned.with(1, found('b', 'host_down'));
    expect(judge(plan, alone, 1).mismatches).toEqual([
      { url: 'b', text: 'text', planned: ['scored'], found: ['host_down'] },
    ]);
  });

  it('finds links without a text that were not counted', () => {
    const judgement = judge(plan, asPlanned, 0);
    expect(judgement.mismatches).toEqual([
      { url: '', text: '', planned: ['1 no_text'], found: ['0 no_text'] },
    ]);
    expect(judgement.asPlanned).toBe(6);
  });

  it.each([
    [
      'another reason',
      asPlanned.with(5, found('e', 'timeout')),
      { url: 'e', planned: ['robots'], found: ['timeout'] },
    ],
    ['a pair too few', asPlanned.slice(0, 5), { url: 'e', planned: ['robots'], found: [] }],
    [
      'a pair too many',
      [...asPlanned, found('x', 'released')],
      { url: 'x', planned: [], found: ['released'] },
    ],
    [
      'a sight too few',
      asPlanned.toSpliced(4, 1),
      { url: 'a', planned: ['duplicate', 'scored'], found: ['released'] },
    ],
  ])('finds %s', (_, ends, mismatch) => {
    expect(judge(plan, ends, 1).mismatches).toEqual([{ ...mismatch, text: 'text' }]);
  });
});
