import type { Recipe } from '../../config/index.ts';
import { type BodyThreads, startBodyThreads } from '../../image/body-threads.ts';
import type { MadeImage } from '../../stages/download/make-image.ts';
import type { DownloadOptions } from '../../stages/download/options.ts';

/** The thread's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './image-thread.ts' : './image-thread.js',
  import.meta.url,
);

/** What all images of a download have in common. */
export interface ImageWork {
  readonly options: DownloadOptions;
  readonly recipe: Recipe['image'];
  /** Lists of perceptual hashes of known content: each thread reads them. */
  readonly knownPictures: Recipe['safety']['knownContent'];
}

/** Threads that make images of bodies, as `makeImage`. */
export function startImageThreads(threads: number, work: ImageWork): BodyThreads<MadeImage> {
  return startBodyThreads({ file: THREAD, threads, work });
}
