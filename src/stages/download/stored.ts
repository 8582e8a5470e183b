import { type Column, readParquetRows } from '../../formats/parquet.ts';
import { readWebdataset } from '../../formats/webdataset.ts';
import { GleanerError } from '../../schema/index.ts';
import { type Storage, streamSource } from '../../storage/index.ts';
import { FETCH_TIME_COLUMNS } from '../fetch-times.ts';
import { type SampleRecord, shardColumns } from './columns.ts';
import { type ShardFiles, shardFiles } from './layout.ts';
import type { DownloadOptions } from './options.ts';

/** When each sample was waited for, in milliseconds: these are of one run and no part of what it gives. */
export const TIMES_COLUMNS = [
  { name: 'key', type: 'string' },
  ...FETCH_TIME_COLUMNS,
] as const satisfies readonly Column[];

/** A sample of a finished shard; the image is null where it has none. */
export interface StoredSample {
  readonly record: SampleRecord;
  readonly image: Uint8Array | null;
}

/** The samples of a finished shard in their order. @throws GleanerError FILE_NOT_FOUND, DAMAGED */
export async function* readStoredSamples(
  storage: Storage,
  shard: number,
  options: DownloadOptions,
): AsyncGenerator<StoredSample, void, undefined> {
  const files = shardFiles(shard, options);
  const records = streamSource(storage, files.parquet, (source) =>
    readParquetRows(source, shardColumns(options), { name: files.parquet }),
  );
  const images = imagesOf(storage, files, options);
  try {
    for await (const row of records) {
      const { [options.encodeFormat]: stored, ...record } = row;
      if (options.outputFormat === 'parquet')
        yield { record, image: stored instanceof Uint8Array ? stored : null };
      else yield { record: row, image: row.status === 'success' ? await images(String(row.key)) : null };
    }
  } finally {
    await images.close();
  }
}

type ImageReader = ((key: string) => Promise<Uint8Array>) & { close(): Promise<void> };

function imagesOf(storage: Storage, { images = '' }: ShardFiles, options: DownloadOptions): ImageReader {
  const { encodeFormat, outputFormat } = options;
  if (outputFormat === 'files')
    return Object.assign((key: string) => storage.read(`${images}/${key}.${encodeFormat}`), {
      close: async () => undefined,
    });
  const samples =
    outputFormat === 'webdataset' ? readWebdataset(storage.stream(images), { name: images }) : none();
  const next = async (key: string) => {
    const sample = await samples.next();
    const image = sample.done || sample.value.key !== key ? undefined : sample.value.files.get(encodeFormat);
    if (!image?.bytes)
      throw new GleanerError('DAMAGED', { path: images, problem: `lacks the image ${key}.` });
    return image.bytes;
  };
  return Object.assign(next, { close: async () => void (await samples.return()) });
}

async function* none(): AsyncGenerator<never, void, undefined> {}
