import { workerData } from 'piscina';
import { freeBytes } from '../formats/free-bytes.ts';
import { type BodyJob, handOver } from '../image/body-threads.ts';
import type { Outcome } from '../schema/index.ts';
import { type Planes, type SquareWork, toSquare } from './square.ts';

const work = workerData as SquareWork;

/** One thread of the pool: one picture after the other. */
export default async function square({ body, into }: BodyJob): Promise<Outcome<Planes>> {
  const made = await toSquare(body, work, into);
  freeBytes(body);
  return handOver(made, ({ planes }) => planes);
}
