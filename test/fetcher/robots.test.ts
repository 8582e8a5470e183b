import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_ROBOTS_BYTES, parseRobots } from '../../src/fetcher/robots.ts';

const allows = (robots: string, path: string, token = 'gleaner') =>
  parseRobots(Buffer.from(robots), token).allows(
    new URL(path.startsWith('/') ? `https://www.example.com${path}` : path),
  );

describe('RFC 9309', () => {
  // 5.1, Simple Example; its blank lines and comments kept.
  const SIMPLE = `
    User-Agent: *
    Disallow: *.gif$
    Disallow: /example/
    Allow: /publications/

    User-Agent: foobot
    Disallow:/
    Allow:/example/page.html
    Allow:/example/allowed.gif

    User-Agent: barbot
    User-Agent: bazbot
    Disallow: /example/page.html

    User-Agent: quxbot

    # EOF
  `;
  it.each([
    ['gleaner', '/a.gif', false],
    ['gleaner', '/a.gif?x', true],
    ['gleaner', '/example/', false],
    ['gleaner', '/publications/', true],
    ['gleaner', '/', true],
    ['foobot', '/', false],
    ['foobot', '/a.png', false],
    ['foobot', '/example/page.html', true],
    ['foobot', '/example/allowed.gif', true],
    ['FooBot', '/example/other.gif', false],
    ['barbot', '/example/page.html', false],
    ['bazbot', '/example/page.html', false],
    ['bazbot', '/a.gif', true],
    ['quxbot', '/example/page.html', true],
    ['quxbot', '/a.gif', true],
  ])('5.1: %s at %s: %s', (token, path, allowed) => expect(allows(SIMPLE, path, token)).toBe(allowed));

  // 5.2, Longest Match.
  const LONGEST = 'User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n';
  it.each([
    ['/example/page/disallowed.gif', false],
    ['/example/page/', true],
    ['/example/page/disallowed.gi', true],
  ])('5.2: %s: %s', (path, allowed) => expect(allows(LONGEST, path, 'foobot')).toBe(allowed));

  it('2.2.1: groups for one crawler are one, and keep those for all out', () => {
    const robots =
      'User-Agent: gleaner\nDisallow: /a\n\nUser-Agent: *\nDisallow: /b\n\nUser-Agent: GLEANER\nDisallow: /c\n';
    expect(['/a', '/b', '/c'].map((path) => allows(robots, path))).toEqual([false, true, false]);
  });

  // 2.2.2, table of matches, and the text around it.
  it.each([
    ['/foo/bar?baz=quz', '/foo/bar?baz=quz'],
    ['/foo/bar?baz=https://foo.bar', '/foo/bar?baz=https://foo.bar'],
    ['/foo/bar/\u30c4', '/foo/bar/%E3%83%84'],
    ['/foo/bar/%E3%83%84', '/foo/bar/\u30c4'],
    ['/foo/bar/%e3%83%84', '/foo/bar/%E3%83%84'],
    ['/foo/bar/%62%61%7A', '/foo/bar/baz'],
    ['/foo/bar/baz', '/foo/bar/%62%61%7A'],
  ])('2.2.2: %s matches %s', (pattern, path) => {
    expect(allows(`User-agent: *\nDisallow: ${pattern}`, path)).toBe(false);
  });
  it.each([
    ['/foo%2Fbar', '/foo/bar'], // reserved: another path
    ['/foo/bar', '/foo%2Fbar'],
    ['/Foo', '/foo'], // paths keep their case
    ['foo', '/foo'],
  ])('2.2.2: %s does not match %s', (pattern, path) => {
    expect(allows(`User-agent: *\nDisallow: ${pattern}`, path)).toBe(true);
  });
  it('2.2.2: of two that are as long, allow', () => {
    expect(allows('User-agent: *\nDisallow: /a\nAllow: /a', '/a')).toBe(true);
    expect(allows('User-agent: *\nAllow: /a\nDisallow: /a', '/a')).toBe(true);
  });

  // 2.2.3, special characters and the table of how they are written when they mean themselves.
  it.each([
    ['/path/file-with-a-%2A.html', '/path/file-with-a-*.html', false],
    ['/path/file-with-a-%2A.html', '/path/file-with-a-b.html', true],
    ['/path/foo-%24', '/path/foo-$', false],
    ['/path/foo-%24', '/path/foo-', true],
    ['/this/path/exactly$', '/this/path/exactly', false],
    ['/this/path/exactly$', '/this/path/exactly/not', true],
    ['/this/*/exactly', '/this/path/and/more/exactly/', false],
    ['/this/*/exactly', '/this/exactly', true],
    ['/*.gif$', '/a/b.gif', false],
    ['/*.gif$', '/a.gif.gif', false],
    ['/*.gif$', '/gif', true],
    ['/a*b*b$', '/ab', true], // the two b are two
    ['/$', '/', false],
    ['/$', '/a', true],
    ['/a$b', '/a$b', false], // '$' ends a pattern only at its end
    ['*', '/', false],
    ['/fish*', '/fishheads', false],
    ['/a # comment', '/a', false],
  ])('2.2.3: Disallow %s at %s leaves it open: %s', (pattern, path, allowed) => {
    expect(allows(`User-agent: *\nDisallow: ${pattern}`, path)).toBe(allowed);
  });

  it('2.2.4: other records do not end a group, nor does white space', () => {
    const robots =
      'Sitemap: https://a/\nUser-agent: other\nCrawl-delay: 3\nUser-agent: gleaner\n\n\nSitemap: x\nDisallow: /a';
    expect(allows(robots, '/a')).toBe(false);
    expect(allows(robots, '/a', 'other')).toBe(false);
    expect(allows(robots, '/a', 'third')).toBe(true);
  });

  it('2.3: robots.txt itself is always open', () => {
    expect(allows('User-agent: *\nDisallow: /', '/robots.txt')).toBe(true);
  });

  it('2.5: reads 500 KiB, and no half line at their end', () => {
    const fill = '#'.repeat(MAX_ROBOTS_BYTES - 100);
    const robots = `User-agent: *\nDisallow: /a\n${fill}\nDisallow: /b\nAllow: /a${'x'.repeat(200)}`;
    expect(allows(robots, '/a')).toBe(false);
    expect(allows(robots, '/b')).toBe(false);
    expect(allows(robots, `/a${'x'.repeat(100)}`)).toBe(false);
    expect(allows(`User-agent: *\n${fill}${'#'.repeat(100)}\nDisallow: /`, '/')).toBe(true);
  });
});

describe('files as they are found', () => {
  it.each([
    ['byte order mark', '\ufeffUser-agent: *\nDisallow: /a'],
    ['CR line ends', 'User-agent: *\rDisallow: /a\r'],
    ['CRLF line ends', 'User-agent: *\r\n\r\nDisallow: /a\r\n'],
    ['white space', '\t USER-AGENT \t:  *  \n  dIsAllow:/a  '],
    ['version after the token', 'User-agent: gleaner/2.0\nDisallow: /a'],
    ['comment after the token', 'User-agent: Gleaner # us\nDisallow: /a # that'],
    ['lines that are none', 'hello\n::::\nUser-agent: *\n: /b\nDisallow /b\nDisallow: /a'],
  ])('%s', (_, robots) => {
    expect(allows(robots, '/a')).toBe(false);
    expect(allows(robots, '/b')).toBe(true);
  });

  it.each([
    ['', 'empty'],
    ['<!doctype html><title>404: not found</title>', 'a page'],
    ['Disallow: /', 'a rule for nobody'],
    ['User-agent: *\nDisallow:', 'nothing disallowed'],
    ['User-agent: gleanerbot\nDisallow: /', 'for another with a longer name'],
    ['User-agent: glean\nDisallow: /', 'for another with a shorter name'],
    ['User-agent: *\nDisallow: /\nUser-agent: gleaner\nDisallow:', 'closed to others'],
  ])('%j (%s) closes nothing', (robots) => expect(allows(robots, '/a')).toBe(true));

  it('bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('User-agent: *\nDisallow: /'), Buffer.from([0xe9, 0xff])]);
    const rules = parseRobots(Buffer.concat([bytes, Buffer.from('\nDisallow: /b')]), 'gleaner');
    expect(rules.allows(new URL('https://a/b'))).toBe(false);
    expect(rules.allows(new URL('https://a/c'))).toBe(true);
  });
});

describe('any bytes', () => {
  const path = fc.array(
    fc.oneof(fc.string(), fc.constantFrom('/', '?', '%', '%2f', '%c3', 'é', '\u{1f600}', '\ud800', '*', '$')),
  );
  const urls = path.map((parts) => new URL(`https://a.test/${parts.join('')}`));

  it('never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), urls, (bytes, url) => {
        expect(parseRobots(bytes, 'gleaner').allows(url)).toBeTypeOf('boolean');
      }),
    );
  });

  it('lines of a robots.txt in any order never throw', () => {
    const line = fc.oneof(
      fc.constantFrom('User-agent: *', 'User-agent: gleaner', '', '#', 'Disallow:', 'Allow: /'),
      path.map((parts) => `Disallow: ${parts.join('')}`),
      fc
        .string({ unit: fc.constantFrom('/', '*', '$', '%', 'a', '2', 'F', '?') })
        .map((path) => `Allow: /${path}`),
    );
    fc.assert(
      fc.property(fc.array(line), urls, (lines, url) => {
        expect(parseRobots(Buffer.from(lines.join('\n')), 'gleaner').allows(url)).toBeTypeOf('boolean');
      }),
    );
  });

  it('a URL is closed by its own path, and open without a rule', () => {
    fc.assert(
      fc.property(urls, (url) => {
        fc.pre(url.pathname !== '/robots.txt');
        // Written as RFC 9309, 2.2.3 asks where special characters mean themselves.
        const path = (url.pathname + url.search).replaceAll('*', '%2A').replaceAll('$', '%24');
        expect(allows(`User-agent: *\nDisallow: ${path.replaceAll('#', '%23')}`, url.href)).toBe(false);
        expect(parseRobots(new Uint8Array(), 'gleaner').allows(url)).toBe(true);
      }),
    );
  });

  it('agree with a matcher that tries everything', () => {
    const alphabet = fc.constantFrom('a', 'b', '/');
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, fc.boolean(), fc.string({ unit: alphabet, maxLength: 8 }), (body, end, path) => {
        const [rule, target] = [`/${body}${end ? '$' : ''}`, `/${path}`];
        expect(allows(`User-agent: *\nDisallow: ${rule}`, target)).toBe(!slowMatch(rule, target));
      }),
      { numRuns: 500 },
    );
  });

  function slowMatch(pattern: string, path: string): boolean {
    if (pattern === '') return true;
    if (pattern === '$') return path === '';
    if (pattern[0] === '*')
      return slowMatch(pattern.slice(1), path) || (path !== '' && slowMatch(pattern, path.slice(1)));
    return pattern[0] === path[0] && slowMatch(pattern.slice(1), path.slice(1));
  }

  it('patterns that blow up a backtracking matcher end at once', () => {
    const robots = `User-agent: *\nDisallow: /${'a*'.repeat(20_000)}b`;
    expect(allows(robots, `/${'a'.repeat(100_000)}`)).toBe(true);
  });
});
