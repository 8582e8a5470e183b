import type { Pair } from './pair.ts';

/** LAION-400M's classes: none, one or both of the two best categories are sexual. */
export type Nsfw = 'UNLIKELY' | 'UNSURE' | 'NSFW';

/** A kept pair as harvest leaves it: all of a released row but its SAMPLE_ID, which the release gives. */
export interface HarvestRow extends Pair {
  /** Size of the image as published and as a browser shows it (EXIF orientation applied), in pixels. */
  readonly width: number;
  readonly height: number;
  /** Size of the image as stored in the release, in pixels. */
  readonly storedWidth: number;
  readonly storedHeight: number;
  readonly format: string;
  /** Of the bytes as fetched, lower-case hexadecimal. */
  readonly sha256: string;
  /** 64-bit difference hash of the picture, 16 lower-case hexadecimal digits. */
  readonly phash: string;
  readonly nsfw: Nsfw;
  /** Labels that classifiers noted, parted by blanks; '' where there is none. */
  readonly tags: string;
  /** Cosine of image and text embedding, -1 to 1. */
  readonly similarity: number;
  /** When the image was fetched, or archived, as 2026-11-21T20:15:00Z; '' where nobody says, or where the recipe does not ask. */
  readonly harvestedAt: string;
}

/** One line of the released metadata. `sampleId` is the position in the release: unique by construction. */
export interface Row extends HarvestRow {
  readonly sampleId: bigint;
  /** Name of the image in its webdataset tar, without extension. */
  readonly key: string;
}

/** One line of the dropped trail: what was known of the pair when it was dropped, and why it was. */
export interface DroppedRow {
  readonly uid: string;
  readonly url: string;
  readonly text: string;
  readonly pageUrl: string;
  readonly wat: string;
  readonly license: string;
  readonly language: string;
  readonly languageConfidence: number;
  /** A `Reason`. */
  readonly reason: string;
  readonly detail: string;
  /** Cosine of image and text where it was computed, else null. */
  readonly similarity: number | null;
}
