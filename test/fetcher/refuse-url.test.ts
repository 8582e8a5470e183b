import { expect, it } from 'vitest';
import { createArchiveSource } from '../../src/fetcher/index.ts';
import { warcRecord } from '../../src/formats/index.ts';
import { dropped } from '../../src/schema/index.ts';
import { PIXELS, serve, webSource } from './servers.ts';

const refuseUrl = (href: string) =>
  href.endsWith('/listed') ? dropped('known_content', 'on a list') : undefined;
const refused = { kept: false, reason: 'known_content', detail: 'on a list' };

it('what is refused is not asked for, nor robots.txt of its host, be it the target of a redirect', async () => {
  const asked: string[] = [];
  const other = await serve(
    (request, response) => {
      asked.push(request.url ?? '');
      response.end(PIXELS);
    },
    { robots: 'handler' },
  );
  const first = await serve((_, response) => {
    response.writeHead(302, { location: `${other.origin}/listed` }).end();
  });
  const source = webSource([first, other], { refuseUrl, respectRobots: true });
  expect(await source.get(`${first.origin}/to`)).toEqual(refused);
  expect(await source.get(`${other.origin}/listed`)).toEqual(refused);
  expect(asked).toEqual([]);
  expect(await source.get(`${other.origin}/else`)).toMatchObject({ kept: true });
  expect(asked).toEqual(['/robots.txt', '/else']);
});

it('an archive is not asked for it either', async () => {
  const answer = (url: string, head: string) =>
    warcRecord({
      headers: { 'WARC-Type': 'response', 'WARC-Target-URI': url },
      payload: Buffer.from(`HTTP/1.1 ${head}\r\n\r\nbody`),
    });
  const bytes = Buffer.concat([
    answer('http://a.test/to', '302 Found\r\nLocation: /listed'),
    answer('http://a.test/listed', '200 OK'),
    answer('http://a.test/else', '200 OK'),
  ]);
  const file = {
    name: 'test.warc',
    async *open() {
      yield bytes;
    },
    source: async () => ({
      byteLength: bytes.length,
      slice: async (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end)).buffer,
    }),
  };
  const source = createArchiveSource([file], { refuseUrl });
  expect(await source.get('http://a.test/to')).toEqual(refused);
  expect(await source.get('http://a.test/listed')).toEqual(refused);
  expect(await source.get('http://a.test/else')).toMatchObject({ kept: true });
  await source.close();
});
