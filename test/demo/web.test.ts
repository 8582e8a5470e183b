import { hash } from 'node:crypto';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { draftPictures } from '../../demo/drafts.ts';
import { dealFates, FATES } from '../../demo/fates.ts';
import { layOut } from '../../demo/layout.ts';
import type { SmallWeb } from '../../demo/model.ts';
import { Random } from '../../demo/random.ts';
import { broken } from '../../demo/studio.ts';
import { loadSubjects, unrelated, withArticle } from '../../demo/subjects.ts';
import { makeHosts, makeWeb } from '../../demo/web.ts';
import { SMALL, subject } from './fixture.ts';

const fingerprint = (web: SmallWeb): string =>
  hash(
    'sha256',
    JSON.stringify(web, (_, value) => (value instanceof Uint8Array ? hash('sha256', value) : value)),
  );

let web: SmallWeb;
beforeAll(async () => {
  web = await makeWeb({ seed: 7, ...SMALL });
}, 60_000);

/** The file that a picture's address leads to in the end. */
function fileOf(picture: { readonly host: number; readonly path: string }): Uint8Array | undefined {
  const found = web.resources.find(({ host, path }) => host === picture.host && path === picture.path);
  if (found === undefined || found.answer.kind === 'missing') return undefined;
  return found.answer.kind === 'redirect' ? fileOf(found.answer.to) : found.answer.bytes;
}
const ended = (end: string) => web.pictures.filter((picture) => picture.end === end);

describe('makeWeb', () => {
  it('makes what was asked for', () => {
    expect(web.hosts).toHaveLength(SMALL.hosts);
    expect(web.pages).toHaveLength(SMALL.pages);
    expect(web.pictures).toHaveLength(SMALL.pictures);
    expect(new Set(web.pictures.map(({ host, path }) => `${host}${path}`)).size).toBe(SMALL.pictures);
    for (const page of web.pages) expect(page.images.length).toBeGreaterThan(0);
  });

  it('makes the same bytes from the same seed', async () => {
    expect(fingerprint(await makeWeb({ seed: 7, ...SMALL }))).toBe(fingerprint(web));
  }, 60_000);

  it('refuses a web too small for one of everything', async () => {
    await expect(makeWeb({ seed: 1, pictures: 5 })).rejects.toThrow(RangeError);
    await expect(makeWeb({ seed: 1, hosts: 3 })).rejects.toThrow(RangeError);
  });

  it('makes pictures that another decoder reads, of 5,000 bytes or more', async () => {
    for (const picture of ended('scored')) {
      const file = fileOf(picture) ?? new Uint8Array();
      expect(file.length, picture.path).toBeGreaterThanOrEqual(5000);
      const { info } = await sharp(file, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
      expect(Math.min(info.width, info.height)).toBeGreaterThanOrEqual(200);
      expect(['jpeg', 'png', 'webp']).toContain((await sharp(file).metadata()).format);
    }
  });

  it('makes GIF and SVG that are dropped for nothing but their format', async () => {
    const formats = new Set<string | undefined>();
    for (const picture of ended('format')) {
      const file = fileOf(picture) ?? new Uint8Array();
      expect(file.length).toBeGreaterThanOrEqual(5000);
      formats.add((await sharp(file).metadata()).format);
    }
    expect(formats).toEqual(new Set(['gif', 'svg']));
  });

  it('makes tiny ones that are dropped for nothing but their size', async () => {
    for (const picture of ended('body_small')) {
      const file = fileOf(picture) ?? new Uint8Array();
      expect(file.length).toBeLessThan(5000);
      await expect(sharp(file, { failOn: 'warning' }).raw().toBuffer()).resolves.toBeDefined();
    }
    expect(ended('body_small').length).toBeGreaterThan(0);
  });

  it('makes damaged ones that keep their format and 5,000 bytes, and that no decoder reads', async () => {
    const damaged = ended('undecodable');
    expect(damaged.length).toBeGreaterThanOrEqual(2);
    for (const picture of damaged) {
      const file = Buffer.from(fileOf(picture) ?? new Uint8Array());
      expect(file.length).toBeGreaterThanOrEqual(5000);
      expect(file.toString('latin1')).toMatch(/^(\xff\xd8\xff|\x89PNG|RIFF....WEBP)/s);
      await expect(sharp(file, { failOn: 'warning' }).raw().toBuffer()).rejects.toThrow();
    }
  });

  it.each(['jpeg', 'png', 'webp'] as const)('breaks a %s so that it never decodes', async (format) => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
    const file = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .toFormat(format)
      .toBuffer();
    for (let i = 0; i < 40; i++) {
      const bytes = broken(file, format, new Random(i, 'broken'));
      await expect(sharp(bytes, { failOn: 'warning' }).raw().toBuffer(), `${i}`).rejects.toThrow();
    }
  });
});

describe('a web of full size', () => {
  const hosts = makeHosts(40);
  const subjects = loadSubjects();
  const drafts = draftPictures(1, 3000, subjects, hosts);
  const pages = layOut(drafts, 600, hosts, 1);
  const links = pages.flatMap(({ images }) => images);

  it('is another one with another seed', () => {
    const others = draftPictures(2, 3000, subjects, hosts);
    const same = others.filter(({ wording }, i) => wording.alt && wording.alt === drafts[i]?.wording.alt);
    expect(same.length).toBeLessThan(30);
  });

  it('has 40 hosts, 600 pages, 3,000 pictures, each of them on a page', () => {
    expect(hosts).toHaveLength(40);
    expect(pages).toHaveLength(600);
    expect(new Set(pages.map(({ host }) => host)).size).toBe(37);
    const shown = new Set(
      links.map(({ target }) => (target.kind === 'picture' ? target.picture : undefined)),
    );
    expect(drafts.filter(({ picture }) => shown.has(picture))).toHaveLength(3000);
  });

  it('has wrong texts beside about half of the pictures that come to be scored', () => {
    const scored = drafts.filter(
      ({ picture, wording }) => picture.end === 'scored' && wording.textEnd === undefined,
    );
    const wrong = scored.filter(({ picture, wording }) => wording.about !== picture.subject);
    expect(wrong.length / scored.length).toBeCloseTo(0.5, 1);
    for (const { picture, wording } of wrong)
      expect(wording.about && unrelated(wording.about, picture.subject)).toBe(true);
  });

  it('has every way of writing an address, bases, licences and repeated pictures', () => {
    const forms = new Set(links.map(({ target }) => (target.kind === 'picture' ? target.form : 'data')));
    expect(forms).toEqual(new Set(['absolute', 'scheme-relative', 'root-relative', 'relative', 'data']));
    expect(new Set(pages.map(({ license }) => license?.as))).toEqual(
      new Set([undefined, 'link', 'anchor', 'rel-anchor']),
    );
    expect(pages.filter(({ base }) => base).length).toBeGreaterThan(100);
    expect(links.length).toBeGreaterThan(3000 + 300);
  });
});

describe('dealFates', () => {
  it('deals every fate at least once, and all pictures one', () => {
    fc.assert(
      fc.property(fc.integer({ min: FATES.length, max: 4000 }), fc.integer(), (count, seed) => {
        const dealt = dealFates(count, new Random(seed, 'test'));
        expect(dealt).toHaveLength(count);
        expect(new Set(dealt).size).toBe(FATES.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('Random', () => {
  it('keeps to its bounds, and shuffles without loss', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer()),
        fc.integer({ min: -50, max: 50 }),
        (seed, items, low) => {
          const random = new Random(seed, 'test');
          expect(random.shuffled(items).sort()).toEqual(items.toSorted());
          const n = random.int(low, low + 3);
          expect(n >= low && n <= low + 3 && Number.isInteger(n)).toBe(true);
        },
      ),
    );
  });
});

describe('subjects', () => {
  it.each([
    ['red apple', 'a red apple'],
    ['owl', 'an owl'],
    ['grapes', 'grapes'],
    ['cactus', 'a cactus'],
    ['bus stop', 'a bus stop'],
    ['face with hearts', 'a face with hearts'],
    ['man lifting weights', 'a man lifting weights'],
    ['people hugging', 'people hugging'],
    ["ten o'clock", "ten o'clock"],
  ])('%s → %s', (name, noun) => expect(withArticle(name)).toBe(noun));

  it('calls a text wrong only where nothing is in common', () => {
    const dog = subject('dog face', 'animals and nature', ['pet']);
    expect(unrelated(dog, subject('red apple', 'food and drink'))).toBe(true);
    expect(unrelated(dog, subject('cow', 'animals and nature'))).toBe(false);
    expect(unrelated(dog, subject('hot dog', 'food and drink'))).toBe(false);
    expect(unrelated(dog, subject('bone', 'food and drink', ['pet']))).toBe(false);
  });
});
