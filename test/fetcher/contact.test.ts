import { describe, expect, it } from 'vitest';
import { createWebSource, userAgentOf } from '../../src/fetcher/index.ts';
import { PIXELS, serve, webSource } from './servers.ts';

describe('who crawls', () => {
  it.each([
    [{}, 'gleaner/0.1 (image-text dataset builder)'],
    [{ contact: 'me@example.com' }, 'gleaner/0.1 (+me@example.com)'],
    [{ contact: 'https://example.com/bot' }, 'gleaner/0.1 (+https://example.com/bot)'],
    [{ contact: 'me@example.com', userAgent: 'bot/1' }, 'bot/1'],
  ])('%j: %s', (identity, userAgent) => expect(userAgentOf(identity)).toBe(userAgent));

  it('is said to every server', async () => {
    const seen: (string | undefined)[] = [];
    const server = await serve((request, response) => {
      seen.push(request.headers['user-agent']);
      response.end(PIXELS);
    });
    await webSource([server], { contact: 'https://example.com/bot' }).get(server.origin);
    expect(seen).toEqual(['gleaner/0.1 (+https://example.com/bot)']);
  });

  it.each([{}, { contact: null }, { userAgent: 'bot/1' }, { userAgent: 'Mozilla/5.0 (X11; Linux)' }])(
    '%j: the web is not crawled, and one line says what to add',
    (options) => {
      expect(() => createWebSource(options)).toThrow(
        expect.objectContaining({
          code: 'USAGE',
          message: expect.stringMatching(/^[^\n]*--contact you@example\.com[^\n]*fetch\.contact[^\n]*$/),
        }),
      );
    },
  );

  it.each([
    { contact: 'me@example.com' },
    { userAgent: 'bot/1 (+https://example.com/bot)' },
    { userAgent: 'bot/1 (me@example.com)' },
    { anonymous: true },
    { allowHosts: ['127.0.0.1:80'] },
  ])('%j will do', (options) => expect(createWebSource(options).close()).resolves.toBeUndefined());

  it.each(['me', 'ftp://example.com/', '@', 'me@'])('contact %j is wrong usage', (contact) => {
    expect(() => createWebSource({ contact })).toThrow(/fetch\.contact/);
  });

  it('without a contact only what the operator allowed is asked', async () => {
    const server = await serve((_, response) => response.end(PIXELS));
    const names: string[] = [];
    const source = webSource([server], {
      contact: null,
      resolve: async (host) => {
        names.push(host);
        return [{ address: '192.0.2.1', family: 4 }];
      },
    });
    expect(await source.get(server.origin)).toMatchObject({ kept: true });
    expect(await source.get('http://images.example.com/')).toMatchObject({
      reason: 'address',
      detail: 'images.example.com is not allowed without fetch.contact',
    });
    expect(names).toEqual([]);
  });
});
