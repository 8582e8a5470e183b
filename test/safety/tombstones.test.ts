import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTombstones, readTombstones, type TakedownKind, Tombstones } from '../../src/safety/index.ts';

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');
const grounds = { reason: 'asked for', at: '2026-11-21T12:00:00.000Z' };
const of = (kind: TakedownKind, hash: string) =>
  new Tombstones({ takedowns: [{ kind, hash, ...grounds }], pairs: [] });

async function* bytes(text: string) {
  yield Buffer.from(text);
}

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''));

describe('tombstones', () => {
  it('are read as they were written', async () => {
    const anyGrounds = {
      reason: fc.string({ unit: 'grapheme' }).map((text) => text.toWellFormed()),
      at: fc
        .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((at) => at.toISOString()),
    };
    const takedown = fc.oneof(
      fc.record({ kind: fc.constantFrom('url', 'domain', 'sha256'), hash: hex(64), ...anyGrounds }),
      fc.record({ kind: fc.constant('uid' as const), hash: hex(32), ...anyGrounds }),
    );
    const pair = fc.record({
      uid: hex(32),
      url: fc.option(hex(64)),
      sha256: fc.option(hex(64)),
      by: fc.constantFrom('url', 'domain', 'sha256', 'uid'),
      ...anyGrounds,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(takedown), fc.array(pair), async (takedowns, pairs) => {
        const read = await readTombstones('removed.jsonl', bytes(formatTombstones({ takedowns, pairs })));
        expect(read).toEqual({ takedowns, pairs });
      }),
    );
  });

  it.each([
    '{',
    '{}',
    `{"takedown":"uid","hash":"${'0'.repeat(64)}","reason":"","at":"2026-11-21T12:00:00Z"}`,
  ])('that are damaged are refused: %s', async (line) => {
    await expect(readTombstones('removed.jsonl', bytes(`${line}\n`))).rejects.toThrow(
      'removed.jsonl: line 1 is no tombstone.',
    );
  });

  it('name a URL as browsers write it, without its fragment', () => {
    const tombstones = of('url', sha256('https://example.org/a%20b.jpg'));
    expect(tombstones.namesUrl('https://EXAMPLE.org:443/a b.jpg#x')).toBe('url');
    expect(tombstones.namesUrl('http://example.org/a%20b.jpg')).toBeUndefined();
    expect(tombstones.namesUrl('', 'no url', 'https://example.org/a%20b.jpg')).toBe('url');
  });

  it('name a host and those below it', () => {
    const tombstones = of('domain', sha256('example.org'));
    expect(tombstones.namesUrl('https://a.b.example.org/x')).toBe('domain');
    expect(tombstones.namesUrl('https://example.org./x')).toBe('domain');
    expect(tombstones.namesUrl('https://notexample.org/x')).toBeUndefined();
    expect(tombstones.namesUrl('https://example.org.evil.example/x')).toBeUndefined();
  });

  it('name bytes', () => {
    const tombstones = of('sha256', sha256('picture'));
    expect(tombstones.hasBytes(Buffer.from('picture'))).toBe(true);
    expect(tombstones.hasBytes(Buffer.from('Picture'))).toBe(false);
    expect([tombstones.hasSha256(sha256('picture')), tombstones.hasSha256('')]).toEqual([true, false]);
  });

  it('of a pair name its URL with any text, but for one that a uid named', () => {
    const uid = '0'.repeat(32);
    const other = { uid: '1'.repeat(32), url: 'https://example.org/a.jpg', page_url: '' };
    const pair = { uid, sha256: sha256('picture'), ...grounds };
    const byUrl = { ...pair, by: 'domain' as const, url: sha256('https://example.org/a.jpg') };
    expect(new Tombstones({ takedowns: [], pairs: [byUrl] }).names(other)).toBe(true);
    const byUid = new Tombstones({ takedowns: [], pairs: [{ ...pair, by: 'uid', url: null }] });
    expect([byUid.names(other), byUid.names({ ...other, uid })]).toEqual([false, true]);
    // Its bytes may stand elsewhere with nobody's objection.
    expect(byUid.hasBytes(Buffer.from('picture'))).toBe(false);
  });
});
