import type { Reason } from '../../schema/index.ts';

/** What is taken of a sample; what of it is missing leaves the sample out. */
export interface EmbedParts {
  readonly image: boolean;
  readonly text: boolean;
  readonly metadata: boolean;
}

/** A sample as it was read. Fields of parts that were not asked for are null. */
export interface EmbedSample {
  /** The `image_path` of clip-retrieval: a webdataset's key, a file's path, a row's `key` or number. */
  readonly key: string;
  /** null where there is none, or one above {@link MAX_IMAGE_BYTES}. */
  readonly image: Uint8Array | null;
  readonly caption: string | null;
  /** JSON as it stands beside the image; of a Parquet file, its other columns. */
  readonly metadata: string | null;
  /** Why the sample cannot be embedded as it is. */
  readonly left?: LeftReason;
}

/** Why a sample has no embeddings: what harvest says of images, and what only a dataset can lack. */
export type LeftReason = Reason | 'no_image' | 'no_caption' | 'no_metadata';

/** Largest image that is read, in bytes: as large as a body that a crawl takes (`fetch.maxBodyBytes`). */
export const MAX_IMAGE_BYTES = 32 << 20;

/** Bytes as text. Illegal UTF-8 becomes U+FFFD; a byte order mark stays, as in Python. */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** A sample of what was found, left out where something that was asked for is missing. */
export function toSample(
  key: string,
  parts: EmbedParts,
  found: {
    readonly image: Uint8Array | null | undefined;
    readonly caption: string | undefined;
    readonly metadata: string | undefined;
    readonly large: boolean;
  },
): EmbedSample {
  const image = parts.image ? (found.image ?? null) : null;
  const caption = parts.text ? (found.caption ?? null) : null;
  const metadata = parts.metadata ? (found.metadata ?? null) : null;
  const left = leftFor(parts, { image, caption, metadata, large: found.large });
  return { key, image, caption, metadata, ...(left && { left }) };
}

function leftFor(
  parts: EmbedParts,
  has: { image: Uint8Array | null; caption: string | null; metadata: string | null; large: boolean },
): LeftReason | undefined {
  if (parts.image && has.image === null) return has.large ? 'body_large' : 'no_image';
  if (parts.text && has.caption === null) return 'no_caption';
  if (parts.metadata && (has.metadata === null || !isObject(has.metadata))) return 'no_metadata';
  return undefined;
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
