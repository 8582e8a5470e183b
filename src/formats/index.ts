export { toFloat16, toFloat32 } from './float16.ts';
export { decodeEntities } from './html-entities.ts';
export { type HttpLimits, type HttpResponse, parseHttpResponse } from './http-message.ts';
export { mendMojibake, WINDOWS_1252 } from './mojibake.ts';
export {
  createNpyWriter,
  NPY_HEADER_BYTES,
  type NpyInfo,
  type NpyReadOptions,
  type NpyShape,
  type NpyType,
  type NpyWriter,
  npyHeader,
  npyInfo,
  readNpyRows,
} from './npy.ts';
export {
  type Column,
  type ColumnType,
  createParquetWriter,
  type ParquetInfo,
  type ParquetReadOptions,
  type ParquetWriter,
  type ParquetWriterOptions,
  parquetInfo,
  type RowOf,
  readParquetRowGroup,
  readParquetRows,
} from './parquet.ts';
export { readWarc, targetUri, type WarcOptions } from './warc.ts';
export type { WarcDamage, WarcRecord } from './warc-record.ts';
export { gzipMember, type WarcRecordInput, warcRecord } from './warc-writer.ts';
export {
  carriesEntities,
  parseWat,
  type WatLink,
  type WatMeta,
  type WatOptions,
  type WatPage,
} from './wat.ts';
export {
  createTarWriter,
  readTar,
  readWebdataset,
  splitKey,
  type TarEntry,
  type TarMember,
  type TarReadOptions,
  type TarWriter,
  type WebdatasetSample,
} from './webdataset.ts';
