import type { Column } from '../../formats/parquet.ts';
import { createParquetWriter, type ParquetWriter } from '../../formats/parquet-writer.ts';
import { createTarWriter, type TarWriter } from '../../formats/tar-writer.ts';
import type { ByteSink, FileInfo, PendingFile, Storage } from '../../storage/index.ts';
import { type SampleRecord, shardColumns, sidecarWriter } from './columns.ts';
import { type ShardFiles, shardFiles } from './layout.ts';
import type { DownloadOptions } from './options.ts';

/** Where a shard's samples go, in their order. */
export interface ShardWriter {
  /** @param image null where there is none */
  add(record: SampleRecord, image: Uint8Array | null): Promise<void>;
  /** Ends the files. @returns them, by the names that they will have */
  finish(): Promise<FileInfo[]>;
  /** Throws away what was written. */
  abort(): Promise<void>;
}

/** Rows of a row group; with the images in them as many as img2dataset has (writer.py, buffer_size). */
const GROUP_ROWS = 10_000;
const GROUP_ROWS_WITH_IMAGES = 100;

/** Writes the images and the Parquet file of a shard into `folder`, below which they have their final names. */
export async function createShardWriter(
  storage: Storage,
  folder: string,
  shard: number,
  options: DownloadOptions,
): Promise<ShardWriter> {
  const files = shardFiles(shard, options);
  const table = await openTable(storage, folder, files, options);
  const sidecar = sidecarWriter(options);
  const images = options.outputFormat === 'webdataset' ? await openTar(storage, folder, files) : undefined;
  const hasCaption = options.columns.some(({ name }) => name === 'caption');
  const { encodeFormat } = options;

  return {
    async add(record, image) {
      await table.add(options.outputFormat === 'parquet' ? { ...record, [encodeFormat]: image } : record);
      if (!image || options.outputFormat === 'parquet') return;
      const key = String(record.key);
      // In the order of their extensions, as webdataset's TarWriter sorts them.
      const members: [string, Uint8Array][] = [
        [`${key}.json`, Buffer.from(sidecar(record))],
        [`${key}.${encodeFormat}`, image],
      ];
      if (hasCaption) members.push([`${key}.txt`, Buffer.from(String(record.caption ?? ''))]);
      members.sort(([one], [other]) => (one < other ? -1 : 1));
      for (const [name, bytes] of members)
        if (images) await images.tar.add(name, bytes);
        else await storage.put(`${folder}/${files.images}/${name}`, bytes, { lasting: false });
    },
    async finish() {
      const written = [await table.finish()];
      if (images) {
        await images.tar.finish();
        written.push({ ...((await images.file.commit()) as FileInfo), path: files.images ?? '' });
      }
      return written;
    },
    async abort() {
      await table.abort();
      await images?.file.abort();
    },
  };
}

interface OpenTar {
  readonly tar: TarWriter;
  readonly file: PendingFile;
}

async function openTar(storage: Storage, folder: string, files: ShardFiles): Promise<OpenTar> {
  const file = await storage.create(`${folder}/${files.images}`);
  return { file, tar: createTarWriter(file) };
}

interface Table {
  add(record: SampleRecord): Promise<void>;
  finish(): Promise<FileInfo>;
  abort(): Promise<void>;
}

async function openTable(
  storage: Storage,
  folder: string,
  files: ShardFiles,
  options: DownloadOptions,
): Promise<Table> {
  const file = await storage.create(`${folder}/${files.parquet}`);
  const writer: ParquetWriter<readonly Column[]> = createParquetWriter(
    file as ByteSink,
    shardColumns(options),
  );
  const groupRows = options.outputFormat === 'parquet' ? GROUP_ROWS_WITH_IMAGES : GROUP_ROWS;
  let rows: SampleRecord[] = [];
  const flush = async () => {
    await writer.writeRowGroup(rows);
    rows = [];
  };
  return {
    async add(record) {
      rows.push(record);
      if (rows.length >= groupRows) await flush();
    },
    async finish() {
      await flush();
      await writer.finish();
      return { ...((await file.commit()) as FileInfo), path: files.parquet };
    },
    abort: () => file.abort(),
  };
}
