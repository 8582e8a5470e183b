import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, Picture, SmallWeb } from '../../demo/model.ts';
import { urlOf } from '../../demo/pages.ts';
import { openHosts, type ServedWeb } from '../../demo/server.ts';
import { makeWeb } from '../../demo/web.ts';
import { handMadeWeb, SMALL, serveWeb } from './fixture.ts';

let web: SmallWeb;
let served: ServedWeb;
beforeAll(async () => {
  web = await makeWeb({ seed: 7, ...SMALL });
  served = await serveWeb(web);
}, 60_000);
afterAll(() => served.close());

const ended = (end: Picture['end']): Picture[] => web.pictures.filter((picture) => picture.end === end);
const ask = (picture: Picture, init?: RequestInit): Promise<Response> =>
  fetch(urlOf(picture, served.origins), init);
const answerOf = ({ host, path }: Picture): Answer | undefined =>
  web.resources.find((resource) => resource.host === host && resource.path === path)?.answer;

/** The head of a response, without waiting for its body. */
function head(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(url, { agent: false }, resolve).on('error', reject));
}

describe('hosts', () => {
  it('serves each host at an address of its own', () => {
    expect(new Set(served.hosts).size).toBe(SMALL.hosts);
    for (const [i, host] of served.hosts.entries()) {
      expect(host).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(served.origins[i]).toBe(`http://${host}`);
    }
  });

  it('serves all pictures that come to be scored, byte for byte', async () => {
    for (const picture of ended('scored')) {
      const response = await ask(picture);
      expect(response.status).toBe(200);
      const bytes = new Uint8Array(await response.arrayBuffer());
      expect(bytes.length).toBeGreaterThanOrEqual(5000);
      const answer = answerOf(picture);
      if (answer?.kind === 'body') expect(Buffer.compare(bytes, answer.bytes)).toBe(0);
      else expect(response.redirected).toBe(true);
    }
    expect(
      ended('scored').filter((picture) => answerOf(picture)?.kind === 'redirect').length,
    ).toBeGreaterThan(0);
  });

  it('answers 404 where nothing is', async () => {
    for (const picture of ended('http_status')) expect((await ask(picture)).status).toBe(404);
    expect((await fetch(`${served.origins[0]}/no/such/page`)).status).toBe(404);
    expect((await fetch(`${served.origins[0]}/`, { method: 'POST' })).status).toBe(404);
  });

  it('sends loops round and round', async () => {
    for (const picture of ended('redirects')) {
      const seen = new Set<string>();
      let url = urlOf(picture, served.origins);
      while (!seen.has(url)) {
        seen.add(url);
        const response = await fetch(url, { redirect: 'manual' });
        expect([301, 302, 307, 308]).toContain(response.status);
        url = response.headers.get('location') ?? '';
      }
      expect(url).toBe(urlOf(picture, served.origins));
    }
    expect(ended('redirects').length).toBeGreaterThan(0);
  });

  it('closes one host by robots.txt, and no other', async () => {
    const closed = new Set(ended('robots').map(({ host }) => host));
    for (const [i, origin] of served.origins.entries()) {
      const response = await fetch(`${origin}/robots.txt`);
      const rules = response.status === 404 ? '' : await response.text();
      expect(/^Disallow: \/$/m.test(rules)).toBe(closed.has(i));
    }
    expect(closed.size).toBe(1);
  });

  it('says noai beside the pictures of one host, and of no other', async () => {
    for (const picture of ended('robots_header'))
      expect((await ask(picture)).headers.get('x-robots-tag')).toBe('noai, noimageai');
    for (const picture of ended('scored'))
      expect((await ask(picture)).headers.get('x-robots-tag')).toBeNull();
    expect(ended('robots_header').length).toBeGreaterThan(0);
  });

  it('shows pages and front pages to a browser', async () => {
    for (const page of web.pages) {
      const response = await fetch(urlOf(page, served.origins));
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      const html = await response.text();
      expect(html.match(/<img /g)).toHaveLength(page.images.length);
      const front = await (await fetch(`${served.origins[page.host]}/`)).text();
      expect(front).toContain(`href="${page.path}"`);
    }
  });
});

describe('close', () => {
  const slow = (sent: number, path: string) =>
    ({
      host: 0,
      path,
      answer: { kind: 'stall', type: 'image/png', bytes: new Uint8Array(9000), sent },
    }) as const;
  const stalling: SmallWeb = { ...handMadeWeb([], []), resources: [slow(0, '/head'), slow(2000, '/body')] };

  it('breaks connections that stall, before the head and in the body', async () => {
    const mine = await serveWeb(stalling);
    const [first] = mine.origins;
    let answered = false;
    const noHead = head(`${first}/head`).then(() => {
      answered = true;
    });
    const rejected = expect(noHead).rejects.toMatchObject({ code: 'ECONNRESET' });
    const halfBody = await head(`${first}/body`);
    expect(halfBody.headers['content-length']).toBe('9000');
    let received = 0;
    const broken = new Promise<void>((resolve) => halfBody.on('close', () => resolve()));
    halfBody.on('error', () => {});
    await new Promise<void>((resolve) => {
      halfBody.on('data', (chunk: Uint8Array) => {
        received += chunk.length;
        if (received === 2000) resolve();
      });
    });
    // The server has taken the other request by now, or breaks it before it can: either way it has no answer.
    expect(answered).toBe(false);
    await mine.close();
    await rejected;
    await broken;
    expect(halfBody.complete).toBe(false);
    expect(received).toBe(2000);
    await expect(head(`${first}/head`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('leaves nothing open where a port is taken, and says which', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(openHosts(2, { port })).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining(`port ${port} on 127.0.0.1`),
      });
    } finally {
      taken.close();
    }
  });
});
