import { workerData } from 'piscina';
import type { CroppedImage } from '../../clip/index.ts';
import { freeBytes } from '../../formats/free-bytes.ts';
import type { Outcome } from '../../schema/index.ts';
import { type CropWork, cropBytes } from '../../stages/embed/crop.ts';
import { handOver } from '../body-threads.ts';

const work = workerData as CropWork;

/** One thread of the pool: what a model sees of one image after the other. */
export default async function crop(body: Uint8Array): Promise<Outcome<CroppedImage>> {
  const cropped = await cropBytes(body, work);
  freeBytes(body);
  return handOver(cropped, ({ data }) => data);
}
