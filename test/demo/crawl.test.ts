import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crawl } from '../../demo/crawl.ts';
import type { SmallWeb } from '../../demo/model.ts';
import { makePlan, type Plan } from '../../demo/plan.ts';
import type { ServedWeb } from '../../demo/server.ts';
import { sha1 } from '../../demo/wat.ts';
import { makeWeb } from '../../demo/web.ts';
import { type Envelope, readWarcFile, readWat, SMALL, serveWeb, temporaryFolder } from './fixture.ts';

const WATS = 3;
let web: SmallWeb;
let served: ServedWeb;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let paths: string[];
let wats: Envelope[][];
let plan: Plan;

beforeAll(async () => {
  folder = await temporaryFolder();
  web = await makeWeb({ seed: 7, ...SMALL });
  served = await serveWeb(web);
  paths = await crawl({ web, served, out: join(folder.path, 'one'), wats: WATS });
  wats = await Promise.all(paths.map(async (path) => readWat(await readFile(path))));
  plan = makePlan(web, served.origins, WATS);
}, 60_000);
afterAll(async () => {
  await served.close();
  await folder.remove();
});

const typeOf = (envelope: Envelope) => envelope.Envelope['WARC-Header-Metadata']['WARC-Type'];
const pageUrlOf = (envelope: Envelope) => envelope.Envelope['WARC-Header-Metadata']['WARC-Target-URI'] ?? '';
const htmlOf = (envelope: Envelope) => {
  const html = envelope.Envelope['Payload-Metadata']['HTTP-Response-Metadata']?.['HTML-Metadata'];
  if (html === undefined) throw new Error('not a response');
  return html;
};
const responses = () =>
  wats.map((envelopes) => envelopes.filter((envelope) => typeOf(envelope) === 'response'));

describe('crawl', () => {
  it('writes a warcinfo record, then request, response and metadata of each page', () => {
    for (const envelopes of wats) {
      const [info, ...rest] = envelopes.map(typeOf);
      expect(info).toBe('warcinfo');
      expect(rest).toEqual(rest.map((_, i) => ['request', 'response', 'metadata'][i % 3]));
    }
    expect(responses().flat()).toHaveLength(SMALL.pages);
  });

  it('writes every link of the plan, in its order, with addresses that resolve to it', () => {
    const found = responses().flatMap((envelopes, wat) =>
      envelopes.flatMap((envelope) => {
        const { Head, Links } = htmlOf(envelope);
        const base =
          Head.Base === undefined ? pageUrlOf(envelope) : new URL(Head.Base, pageUrlOf(envelope)).href;
        const cc = [...(Head.Link ?? []), ...Links].find(({ url }) =>
          url.startsWith('https://creativecommons.org/'),
        );
        return Links.filter(({ path }) => path === 'IMG@/src').map(({ url, alt }) => ({
          wat,
          pageUrl: pageUrlOf(envelope),
          url: new URL(url, base).href.replace(/#.*/, ''),
          text: (alt ?? '').split(/\s+/).filter(Boolean).join(' '),
          license: cc?.url ?? '?',
        }));
      }),
    );
    expect(found).toEqual(
      plan.links.map(({ wat, pageUrl, url, text, license }) => ({ wat, pageUrl, url, text, license })),
    );
  });

  it('writes the links that are in the HTML', async () => {
    const unescapeHtml = (text: string) =>
      text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
    for (const envelope of responses().flat()) {
      const html = await (await fetch(pageUrlOf(envelope))).text();
      const { Head, Links } = htmlOf(envelope);
      const images = [...html.matchAll(/<img src="([^"]*)"(?: alt="([^"]*)")?>/g)].map(
        ([, src = '', alt]) => ({
          path: 'IMG@/src',
          url: unescapeHtml(src),
          ...(alt !== undefined && { alt: unescapeHtml(alt) }),
        }),
      );
      expect(Links.filter(({ path }) => path === 'IMG@/src')).toEqual(images);
      const anchors = [...html.matchAll(/<a (?:rel="license" )?href="([^"]*)">/g)].map(([, href = '']) =>
        unescapeHtml(href),
      );
      expect(Links.filter(({ path }) => path === 'A@/href').map(({ url }) => url)).toEqual(anchors);
      expect(Head.Base).toBe(/<base href="([^"]*)">/.exec(html)?.[1]);
      expect(Head.Link?.[0]?.url).toBe(/<link rel="license" href="([^"]*)">/.exec(html)?.[1]);
      expect(Head.Title).toBe(/<title>(.*)<\/title>/.exec(html)?.[1]);
    }
  });

  it('says the truth about the WARC that it describes', async () => {
    for (const [i, path] of paths.entries()) {
      const warc = await readFile(path.replace('.warc.wat.gz', '.warc.gz'));
      expect(readWarcFile(warc)).toHaveLength(wats[i]?.length ?? 0);
      for (const { Container, Envelope: about } of wats[i] ?? []) {
        const gzip = Container['Gzip-Metadata'];
        const start = Number(Container.Offset);
        const bytes = gunzipSync(warc.subarray(start, start + Number(gzip['Deflate-Length'])));
        expect(bytes.length).toBe(Number(gzip['Inflated-Length']));
        expect(crc32(bytes) | 0).toBe(Number(gzip['Inflated-CRC']));
        const header = bytes.subarray(0, Number(about['WARC-Header-Length'])).toString();
        expect(header).toContain(`WARC-Record-ID: ${about['WARC-Header-Metadata']['WARC-Record-ID']}\r\n`);
        expect(header.endsWith('\r\n\r\n')).toBe(true);
        const block = bytes.subarray(header.length, -4);
        expect(block.length).toBe(Number(about['Payload-Metadata']['Actual-Content-Length']));
        const http = about['Payload-Metadata']['HTTP-Response-Metadata'];
        if (http) {
          const entity = block.subarray(Number(http['Headers-Length'])).toString();
          expect(entity).toBe(
            await (await fetch(about['WARC-Header-Metadata']['WARC-Target-URI'] ?? '')).text(),
          );
        }
      }
    }
  });

  it('writes the same bytes when it crawls the same web again', async () => {
    const again = await crawl({ web, served, out: join(folder.path, 'two'), wats: WATS });
    for (const [i, path] of again.entries())
      expect(Buffer.compare(await readFile(path), await readFile(paths[i] ?? ''))).toBe(0);
  });
});

describe('sha1', () => {
  it('is written as Common Crawl writes it', () => {
    // The Entity-Digest of requests without a body, in every genuine WAT.
    expect(sha1(new Uint8Array())).toBe('sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ');
  });
});
