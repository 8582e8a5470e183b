import { Piscina } from 'piscina';
import type { Recipe } from '../../config/index.ts';
import type { Outcome } from '../../schema/index.ts';
import type { MadeImage } from '../../stages/download/make-image.ts';
import type { DownloadOptions } from '../../stages/download/options.ts';

/** The thread's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './image-thread.ts' : './image-thread.js',
  import.meta.url,
).href;

/** What all images of a download have in common. */
export interface ImageWork {
  readonly options: DownloadOptions;
  readonly recipe: Recipe['image'];
}

/** Threads that do nothing but make images of bodies. */
export interface ImageThreads extends AsyncDisposable {
  /** As `makeImage`. @param body is the thread's from then on */
  make(body: Uint8Array): Promise<Outcome<MadeImage>>;
}

/**
 * Starts threads that decode, resize and encode, so that the one that fetches has its hands free. A decoder that crashes
 * there ends the process all the same.
 */
export function startImageThreads(threads: number, work: ImageWork): ImageThreads {
  const pool = new Piscina<Uint8Array, Outcome<MadeImage>>({
    filename: THREAD,
    minThreads: threads,
    maxThreads: threads,
    workerData: work,
    // They have next to nothing on their heap that lasts.
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
  });
  return {
    make: (body) => {
      const own = body.byteLength === body.buffer.byteLength ? body : body.slice();
      // Its types take the options of postMessage for the list.
      return pool.run(own, { transferList: [own.buffer] as never });
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}
