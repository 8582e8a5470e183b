import { workerData } from 'piscina';
import type { PixelValues } from '../../clip/index.ts';
import { freeBytes } from '../../formats/free-bytes.ts';
import { type BodyJob, handOver } from '../../image/body-threads.ts';
import type { Outcome } from '../../schema/index.ts';
import { type CropWork, cropBytes } from '../../stages/embed/crop.ts';

const work = workerData as CropWork;

/** One thread of the pool: pixel values of one image after the other. */
export default async function crop({ body, into }: BodyJob): Promise<Outcome<PixelValues>> {
  const cropped = await cropBytes(body, work, into && new Float32Array(into));
  freeBytes(body);
  return handOver(cropped, ({ values }) => values);
}
