import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { gzipMember } from '../../src/formats/index.ts';
import { imageResponse, watRecord } from './crawl.ts';

/** What was made of each picture: URLs end in these. */
const VARIANTS = ['original', 'copy', 'quality60', 'smaller'] as const;

/** A crawl of pictures that stand in it four times: as they are, the same bytes again, and as two other JPEGs. */
export interface CopiedPictures {
  readonly wat: string;
  readonly archive: string;
  readonly pictures: number;
  readonly urlOf: (picture: number, variant: (typeof VARIANTS)[number]) => string;
}

/** Makes it in a folder. Pictures are large blots of colour, which no two have alike. */
export async function makeCopiedPictures(folder: string, pictures = 12): Promise<CopiedPictures> {
  await mkdir(folder, { recursive: true });
  const urlOf: CopiedPictures['urlOf'] = (picture, variant) => `http://img.example/${picture}-${variant}.jpg`;
  const images: Uint8Array[] = [];
  const links: { url: string; alt: string }[] = [];
  for (let n = 0; n < pictures; n++) {
    const blots = { raw: { width: 7, height: 6, channels: 3 } } as const;
    const picture = await sharp(noise(7 * 6 * 3, n + 1), blots)
      .resize(420, 320, { fit: 'fill', kernel: 'cubic' })
      .png()
      .toBuffer();
    const original = await sharp(picture).jpeg({ quality: 92 }).toBuffer();
    const bodies = {
      original,
      copy: original,
      quality60: await sharp(picture).jpeg({ quality: 60 }).toBuffer(),
      smaller: await sharp(picture).resize(210, 160).jpeg({ quality: 85 }).toBuffer(),
    };
    for (const [v, variant] of VARIANTS.entries()) {
      const url = urlOf(n, variant);
      images.push(await imageResponse(url, bodies[variant]));
      links.push({ url, alt: `Blots of colour, number ${n}${', seen again'.repeat(v)}` });
    }
  }
  const [wat, archive] = [join(folder, 'crawl.warc.wat.gz'), join(folder, 'images.warc.gz')];
  await writeFile(wat, gzipMember(watRecord('http://site.example/', links)));
  await writeFile(archive, Buffer.concat(images));
  return { wat, archive, pictures, urlOf };
}

function noise(length: number, seed: number): Uint8Array {
  let state = Math.imul(seed, 0x9e3779b1);
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}
