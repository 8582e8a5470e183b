import { describe, expect, it } from 'vitest';
import { sniffFormat } from '../../src/image/index.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('sniffFormat', () => {
  it.each([
    ['jpeg', '\xff\xd8\xff\xe0\0\x10JFIF\0'],
    ['png', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'],
    ['gif', 'GIF89a'],
    ['gif', 'GIF87a'],
    ['webp', 'RIFF\x24\0\0\0WEBPVP8 '],
    ['avif', '\0\0\0\x20ftypavif\0\0\0\0'],
    ['svg', '<svg xmlns="http://www.w3.org/2000/svg">'],
    [
      'svg',
      '\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a > b -->\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">\n<svg>',
    ],
    ['svg', '<svg:svg xmlns:svg="http://www.w3.org/2000/svg">'],
    ['other', 'BM\x36\0\0\0'],
    ['other', 'II*\0\x08\0\0\0'],
    ['other', '\0\0\x01\0\x01\0'],
    ['other', '\0\0\0\x18ftypheic'],
  ])('%s by its first bytes', (format, head) => {
    expect(sniffFormat(latin1(head))).toBe(format);
  });

  it.each([
    ['nothing', ''],
    ['HTML', '<!DOCTYPE html><html><body><svg></svg>'],
    ['a sound in RIFF', 'RIFF\x24\0\0\0WAVEfmt '],
    ['a film', '\0\0\0\x20ftypisom'],
    ['a cut PNG signature', '\x89PNG\r\n'],
    ['text about <svg>', 'how to write <svg>'],
    ['a comment alone', '<!-- <svg> '],
  ])('no image: %s', (_, head) => {
    expect(sniffFormat(latin1(head))).toBeUndefined();
  });
});
