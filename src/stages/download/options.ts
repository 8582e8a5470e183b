import type { ColumnType } from '../../formats/index.ts';

/** How an image is brought to its size, by img2dataset's names. */
export const RESIZE_MODES = ['no', 'border', 'keep_ratio', 'keep_ratio_largest', 'center_crop'] as const;
export type ResizeMode = (typeof RESIZE_MODES)[number];

export const ENCODE_FORMATS = ['jpg', 'png', 'webp'] as const;
export type EncodeFormat = (typeof ENCODE_FORMATS)[number];

export const OUTPUT_FORMATS = ['webdataset', 'files', 'parquet'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const HASHES = ['md5', 'sha256', 'sha512'] as const;
export type HashName = (typeof HASHES)[number];

/** A column that comes from the list of URLs. Any of its values may be missing. */
export interface InputColumn {
  readonly name: string;
  readonly type: Exclude<ColumnType, 'binary'>;
}

/** What a download makes of its images, and how it writes them: all of it decides about the bytes that come out. */
export interface DownloadOptions {
  readonly outputFormat: OutputFormat;
  /** Pixels: of the side that the mode means. */
  readonly imageSize: number;
  readonly resizeMode: ResizeMode;
  readonly resizeOnlyIfBigger: boolean;
  readonly encodeFormat: EncodeFormat;
  /** 1 to 100 of jpg and webp; 0 to 9, the effort of compression, of png. */
  readonly encodeQuality: number;
  /** Bytes go as they came where the image needs no change and is of the format asked for. */
  readonly skipReencode: boolean;
  /** Bytes always go as they came, and nothing is decoded. */
  readonly disableAllReencoding: boolean;
  /** Images with a shorter side below this are refused, in pixels. */
  readonly minImageSize: number;
  /** Images with more pixels are refused; null: as the recipe has it. */
  readonly maxImageArea: number | null;
  /** Images more elongated, longer side by shorter side, are refused. */
  readonly maxAspectRatio: number | null;
  /** Of the bytes as fetched. */
  readonly computeHash: HashName | null;
  readonly extractExif: boolean;
  /** Rows of a shard; decides about the digits of keys. */
  readonly samplesPerShard: number;
  /** Digits of a shard's number in names and keys. */
  readonly shardDigits: number;
  /** In this order: additional columns, the caption if there is one, `url`. */
  readonly columns: readonly InputColumn[];
}

/** Decimal digits that the place of a sample within its shard takes in its key. */
function sampleDigits({ samplesPerShard }: Pick<DownloadOptions, 'samplesPerShard'>): number {
  return Math.ceil(Math.log10(samplesPerShard));
}

/** Name of a shard: its number, as 00003. */
export function shardName(shard: number, { shardDigits }: Pick<DownloadOptions, 'shardDigits'>): string {
  return String(shard).padStart(shardDigits, '0');
}

/** Key of a sample: shard and place as one number, as img2dataset's `compute_key` has it. */
export function sampleKey(
  shard: number,
  row: number,
  options: Pick<DownloadOptions, 'samplesPerShard' | 'shardDigits'>,
): string {
  const digits = sampleDigits(options);
  return String(shard * 10 ** digits + row).padStart(digits + options.shardDigits, '0');
}
