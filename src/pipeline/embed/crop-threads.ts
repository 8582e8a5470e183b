import { Piscina } from 'piscina';
import type { CroppedImage } from '../../clip/index.ts';
import type { Outcome } from '../../schema/index.ts';
import type { CropWork } from '../../stages/embed/crop.ts';

/** The thread's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './crop-thread.ts' : './crop-thread.js',
  import.meta.url,
).href;

/** Threads that do nothing but decode and crop. */
export interface CropThreads extends AsyncDisposable {
  /** As `cropBytes`. @param body is the thread's from then on */
  crop(body: Uint8Array): Promise<Outcome<CroppedImage>>;
}

/**
 * Starts threads that decode beside inference.
 * @param ahead images that may wait for them: handed over at once, since the main thread stands still in the network
 */
export function startCropThreads(threads: number, ahead: number, work: CropWork): CropThreads {
  const pool = new Piscina<Uint8Array, Outcome<CroppedImage>>({
    filename: THREAD,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: Math.max(1, Math.ceil(ahead / threads)),
    workerData: work,
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
  });
  return {
    crop: (body) => {
      const own = body.byteLength === body.buffer.byteLength ? body : new Uint8Array(body);
      // Its types take the options of postMessage for the list.
      return pool.run(own, { transferList: [own.buffer] as never });
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}
