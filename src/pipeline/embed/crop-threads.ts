import type { PixelValues } from '../../clip/index.ts';
import { type BodyThreads, startBodyThreads } from '../../image/body-threads.ts';
import type { CropWork } from '../../stages/embed/crop.ts';

/** The thread's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './crop-thread.ts' : './crop-thread.js',
  import.meta.url,
);

/**
 * Starts threads that decode and crop beside inference, as `cropBytes`.
 * @param ahead images that may wait for them: handed over at once, since the main thread stands still in the network
 */
export function startCropThreads(threads: number, ahead: number, work: CropWork): BodyThreads<PixelValues> {
  return startBodyThreads({
    file: THREAD,
    threads,
    queued: Math.max(0, Math.ceil(ahead / threads) - 1),
    work,
  });
}
