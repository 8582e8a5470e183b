import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { gzipMember, warcRecord } from '../../src/formats/index.ts';

/** A crawl small enough to make in a test: WAT files, and a WARC file with the images. */
export interface SmallCrawl {
  readonly wats: readonly string[];
  readonly archive: string;
  /** Image links, with or without a text. */
  readonly links: number;
  readonly withText: number;
  /** Different (URL, text). */
  readonly unique: number;
  /** Unique pairs whose image the archive lacks. */
  readonly missing: number;
}

const COLOURS = ['red', 'green', 'blue', 'orange', 'purple', 'teal', 'black', 'olive'];
const SHAPES = ['circle', 'square', 'triangle', 'star'];

/**
 * Makes a crawl in a folder: pages with six pictures each, of which one has no text, one stands on the page before
 * too, and every tenth picture is missing from the archive.
 */
export async function makeSmallCrawl(
  folder: string,
  { wats = 3, pagesPerWat = 10, imageHost = (_: number): string => 'img.example', ending = '' } = {},
): Promise<SmallCrawl> {
  await mkdir(folder, { recursive: true });
  const images: Uint8Array[] = [];
  const seen = new Set<string>();
  const missing = new Set<string>();
  let [links, withText, picture] = [0, 0, 0];
  const paths: string[] = [];
  for (let w = 0; w < wats; w++) {
    const records: Uint8Array[] = [];
    let last: { url: string; alt?: string } | undefined;
    for (let p = 0; p < pagesPerWat; p++) {
      const page = `http://site${p % 3}.example/wat${w}/page${p}.html`;
      const shown: { url: string; alt?: string }[] = last ? [last] : [];
      while (shown.length < 6) {
        const n = picture++;
        const [colour, shape] = [COLOURS[n % COLOURS.length] ?? '', SHAPES[n % SHAPES.length] ?? ''];
        const url = `http://${imageHost(n)}/${n}.png`;
        if (n % 10 === 9) missing.add(url);
        else images.push(await imageResponse(url, await draw(colour, n)));
        shown.push(
          n % 6 === 5 ? { url } : { url, alt: `A picture of a ${colour} ${shape}, number ${n}${ending}` },
        );
      }
      last = shown.at(-1);
      records.push(gzipMember(watRecord(page, shown)));
      for (const { url, alt } of shown) {
        links++;
        if (alt === undefined) continue;
        withText++;
        seen.add(`${url}\0${alt}`);
      }
    }
    const path = join(folder, `crawl-${w}.warc.wat.gz`);
    await writeFile(path, Buffer.concat(records));
    paths.push(path);
  }
  const archive = join(folder, 'images.warc.gz');
  await writeFile(archive, Buffer.concat(images));
  const lost = [...seen].filter((key) => missing.has(key.split('\0')[0] ?? '')).length;
  return { wats: paths, archive, links, withText, unique: seen.size, missing: lost };
}

/** A metadata record as Common Crawl writes it, cut down to what a reader of links looks at. */
export function watRecord(
  page: string,
  images: readonly { readonly url: string; readonly alt?: string }[],
): Uint8Array {
  const links = images.map((image) => ({ path: 'IMG@/src', ...image }));
  const payload = JSON.stringify({
    Container: { Compressed: true, Offset: '0' },
    Envelope: {
      'WARC-Header-Metadata': { 'WARC-Type': 'response', 'WARC-Target-URI': page },
      'Payload-Metadata': {
        'HTTP-Response-Metadata': { 'HTML-Metadata': { Head: { Title: 'x' }, Links: links } },
      },
    },
  });
  return warcRecord({
    headers: { 'WARC-Type': 'metadata', 'WARC-Target-URI': page, 'Content-Type': 'application/json' },
    payload,
  });
}

/** An image as a crawler has archived it. */
export async function imageResponse(url: string, body: Uint8Array): Promise<Uint8Array> {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${body.length}\r\n\r\n`;
  return gzipMember(
    warcRecord({
      headers: {
        'WARC-Type': 'response',
        'WARC-Target-URI': url,
        'Content-Type': 'application/http; msgtype=response',
      },
      payload: Buffer.concat([Buffer.from(head), body]),
    }),
  );
}

function draw(colour: string, n: number): Promise<Uint8Array> {
  const side = 60 + (n % 5) * 20;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${side * 2}" height="${side}">
    <rect width="100%" height="100%" fill="white"/><circle cx="${side}" cy="${side / 2}" r="${side / 3}" fill="${colour}"/></svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}
