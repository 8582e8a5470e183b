import type { ImageSource } from '../fetcher/index.ts';
import type { KnownContent, Tombstones } from '../safety/index.ts';
import { type Dropped, dropped, type FetchOutcome, type Pair, type Reason } from '../schema/index.ts';
import type { Intake } from './intake.ts';

/** Where images are asked for, and what is never asked for or looked at. */
export interface Asked {
  readonly images: ImageSource;
  /** Lists of what is never fetched, decoded or embedded, where the recipe names some. */
  readonly known?: KnownContent | undefined;
  /** What was taken down, here or in runs that this one is told of. */
  readonly removed?: Tombstones | undefined;
}

/**
 * Asks for the image of a pair that the intake has admitted. The bytes of one that came are to be held against
 * `refuseBytes` before anything else is done with them, and given back to the intake.
 */
export function askForImage(
  pair: Pair,
  { intake, images, known, removed }: Asked & { readonly intake: Intake },
  signal: AbortSignal,
): Promise<FetchOutcome> {
  return intake.fetch(async () => {
    signal.throwIfAborted();
    if (removed?.names({ uid: pair.uid, url: pair.url, page_url: pair.pageUrl })) return dropped('removed');
    return known?.refuseUrl(pair.url, pair.pageUrl) ?? images.get(pair.url, signal, pair.uid);
  });
}

/** Whether bytes, as fetched, are known content or were taken down. */
export function refuseBytes(
  bytes: Uint8Array,
  { known, removed }: Pick<Asked, 'known' | 'removed'>,
): Dropped | undefined {
  return known?.refuseBytes(bytes) ?? (removed?.hasBytes(bytes) ? dropped('removed') : undefined);
}

/** Of known content, and of what was taken down, it is not told either where it was and how large it is. */
export function isNamed(reason: Reason): boolean {
  return reason !== 'known_content' && reason !== 'removed';
}
