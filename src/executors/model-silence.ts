/** While a model computes, nothing else runs in its process, no sign of life either: it gets so long, in milliseconds, */
const SILENCE_MS = 180_000;
/**
 * and so much more for each image of a batch. ViT-L/14 at 336 pixels does some 400 GFLOP an image (open_clip's
 * docs/model_profile.csv), which one core of a slow machine beside other work does in this time.
 */
const SILENCE_AN_IMAGE_MS = 20_000;

/** How long a process with a model may give no sign of life, in milliseconds. */
export function silenceOfModelMs(batchSize: number): number {
  return SILENCE_MS + batchSize * SILENCE_AN_IMAGE_MS;
}
