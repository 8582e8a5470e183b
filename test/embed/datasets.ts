/** Datasets made by hand, with pictures of one colour: what the tiny model gives for them can be worked out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

export type Colour = readonly [number, number, number];

export const png = ([r, g, b]: Colour): Promise<Buffer> =>
  sharp({ create: { width: 6, height: 4, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();

/** The tiny model's planes of a picture of one colour, mean [0, .5, 0] and std [1, .5, 1], at length 1. */
export function imageRow([r, g, b]: Colour): number[] {
  return unit([r / 255, (g / 255 - 0.5) / 0.5, b / 255].flatMap((v) => [v, v, v, v]));
}

/** The tiny model's ids of a caption, at length 1: start, tokens, end, padding. */
export function textRow(tokens: readonly number[]): number[] {
  return unit(Array.from({ length: 12 }, (_, i) => [60, ...tokens, 61][i] ?? 0));
}

function unit(values: readonly number[]): number[] {
  const length = Math.hypot(...values);
  return values.map((v) => v / length);
}

/** A header of POSIX.1-1988 or of GNU tar, and the padded content. */
function member(name: string, bytes: Uint8Array, type: string, magic: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'utf8');
  header.write('0000644\0', 100);
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(magic, 257, 'latin1');
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** How a name is written that 100 bytes do not hold, or that is not ASCII. */
export type Names = 'ustar' | 'gnu' | 'pax';

/** A tar of these members, in their order. */
export function tarOf(members: readonly (readonly [string, Uint8Array])[], names: Names = 'ustar'): Buffer {
  const magic = names === 'gnu' ? 'ustar  \0' : 'ustar\x0000';
  const parts = members.flatMap(([name, bytes]) => {
    const own = member(names === 'ustar' ? name : name.slice(0, 20), bytes, '0', magic);
    if (names === 'gnu') return [member('././@LongLink', Buffer.from(`${name}\0`), 'L', magic), own];
    if (names === 'pax') return [member('x', paxPath(name), 'x', magic), own];
    return [own];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function paxPath(name: string): Buffer {
  const rest = Buffer.byteLength(` path=${name}\n`);
  const length = [1, 2, 3].map((digits) => rest + digits).find((n) => n - rest === String(n).length) ?? 0;
  return Buffer.from(`${length} path=${name}\n`);
}

export async function write(folder: string, files: Readonly<Record<string, Uint8Array | string>>) {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}
