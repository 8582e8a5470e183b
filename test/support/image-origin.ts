import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

/** A loopback server with pictures that are all different, and with answers that are none. */
export interface ImageOrigin {
  /** HOST:PORT, as --allow-host wants it. */
  readonly host: string;
  /** URL of picture `n`. */
  readonly image: (n: number) => string;
  /** URL of an answer: 'missing' (404), 'html', 'small' (4 × 4 pixels). */
  readonly odd: (kind: 'missing' | 'html' | 'small') => string;
  /** URL of picture `n` behind a name that can be made to fail. */
  readonly flaky: (n: number) => string;
  /** URL of picture `n` with these words in a comment. */
  readonly marked: (n: number, words: string) => string;
  /** URL that leads to that of picture `n`. */
  readonly moved: (n: number) => string;
  /** Whether flaky URLs answer 503, or with their pictures. */
  failing: boolean;
  /** Whether marked URLs answer with their pictures cut off, or whole. */
  cut: boolean;
  /** Requests for pictures so far. */
  readonly requests: () => number;
  close(): Promise<void>;
}

/** Pictures that are drawn: those beyond come round again, under URLs of their own. */
const DRAWN = 24;

export async function startImageOrigin(): Promise<ImageOrigin> {
  const pictures = await Promise.all(Array.from({ length: DRAWN }, (_, n) => draw(n)));
  const small = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  let requests = 0;
  const state = { failing: false, cut: false };
  const answer = (path: string, response: ServerResponse) => {
    const [, kind = '', n = ''] = path.split(/[/.]/);
    if (kind === 'image' || (kind === 'flaky' && !state.failing)) {
      requests++;
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end(pictures[Number(n) % DRAWN]);
    } else if (kind === 'marked') {
      const words = new URL(path, 'http://x').searchParams.get('words') ?? '';
      // A comment (COM) right after the start of the file: decoders pass over it.
      const comment = Buffer.from(`\xff\xfe\0${String.fromCharCode(words.length + 2)}${words}`, 'latin1');
      const picture = pictures[Number(n) % DRAWN] ?? Buffer.alloc(0);
      const marked = Buffer.concat([picture.subarray(0, 2), comment, picture.subarray(2)]);
      response.writeHead(200).end(state.cut ? marked.subarray(0, marked.length / 2) : marked);
    } else if (kind === 'moved') response.writeHead(302, { location: `/image/${n}.jpg` }).end();
    else if (kind === 'flaky') response.writeHead(503).end();
    else if (kind === 'html')
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end('<html>no</html>');
    else if (kind === 'small') response.writeHead(200).end(small);
    else response.writeHead(404).end();
  };
  const server: Server = createServer((request, response) => answer(request.url ?? '', response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    image: (n) => `http://${host}/image/${n}.jpg`,
    odd: (kind) => `http://${host}/${kind}/x.jpg`,
    flaky: (n) => `http://${host}/flaky/${n}.jpg`,
    marked: (n, words) => `http://${host}/marked/${n}.jpg?words=${encodeURIComponent(words)}`,
    moved: (n) => `http://${host}/moved/${n}.jpg`,
    get failing() {
      return state.failing;
    },
    set failing(value) {
      state.failing = value;
    },
    get cut() {
      return state.cut;
    },
    set cut(value) {
      state.cut = value;
    },
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Every third has EXIF tags; sizes and colours differ. */
function draw(n: number): Promise<Buffer> {
  const [width, height] = [300 + 10 * n, 200 + 7 * (n % 5)];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="hsl(${n * 15},60%,60%)"/><circle cx="${80 + n * 3}" cy="90" r="${30 + n}" fill="white"/></svg>`;
  const image = sharp(Buffer.from(svg)).jpeg({ quality: 90 });
  return (n % 3 === 0 ? image.withExif({ IFD0: { Make: 'Maker', Model: `Model ${n}` } }) : image).toBuffer();
}
