import { workerData } from 'piscina';
import { freeBytes } from '../../formats/free-bytes.ts';
import { type BodyJob, handOver } from '../../image/body-threads.ts';
import { readKnownContent } from '../../safety/known-content.ts';
import type { Outcome } from '../../schema/index.ts';
import { type MadeImage, makeImage } from '../../stages/download/make-image.ts';
import { streamFile } from '../../storage/index.ts';
import type { ImageWork } from './image-threads.ts';

const { options, recipe, knownPictures } = workerData as ImageWork;
const known = knownPictures.length > 0 ? await readKnownContent(knownPictures, streamFile) : undefined;

/** One thread of the pool: makes one image after the other, in memory that is used again. */
export default async function make({ body }: BodyJob): Promise<Outcome<MadeImage>> {
  const made = await makeImage(body, options, recipe, known);
  if (!made.kept || made.value.bytes !== body) freeBytes(body);
  return handOver(made, ({ bytes }) => bytes);
}
