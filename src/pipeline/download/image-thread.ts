import { workerData } from 'piscina';
import { freeBytes } from '../../formats/free-bytes.ts';
import type { Outcome } from '../../schema/index.ts';
import { type MadeImage, makeImage } from '../../stages/download/make-image.ts';
import { type BodyJob, handOver } from '../body-threads.ts';
import type { ImageWork } from './image-threads.ts';

const { options, recipe } = workerData as ImageWork;

/** One thread of the pool: makes one image after the other, in memory that is used again. */
export default async function make({ body }: BodyJob): Promise<Outcome<MadeImage>> {
  const made = await makeImage(body, options, recipe);
  if (!made.kept || made.value.bytes !== body) freeBytes(body);
  return handOver(made, ({ bytes }) => bytes);
}
