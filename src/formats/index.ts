export {
  type BloomInfo,
  type BloomSlice,
  bloomInfo,
  bloomShape,
  readBloomSlice,
  writeBloom,
} from './bloom.ts';
export { ColumnBuffer } from './column-buffer.ts';
export {
  type DelimitedOptions,
  type DelimitedRecord,
  type LineOptions,
  readDelimited,
  readLines,
} from './delimited.ts';
export { DigestSet } from './digest-set.ts';
export { readExif } from './exif.ts';
export { type FastTextModel, parseFastText } from './fasttext.ts';
export { toFloat16, toFloat32 } from './float16.ts';
export { freeBytes } from './free-bytes.ts';
export { HashSet } from './hash-set.ts';
export { decodeEntities, unescapeHtml } from './html-entities.ts';
export { ENTITIES } from './html-entity-names.ts';
export { type HttpLimits, type HttpResponse, parseHttpResponse } from './http-message.ts';
export {
  compareKeys,
  KEY_BYTES,
  type KeyFileInfo,
  type KeyWords,
  keyFileInfo,
  readKeys,
  writeKeyFile,
} from './keys.ts';
export { type ListEntry, listEntries, plain } from './list.ts';
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
export { NumberBuffers } from './number-buffers.ts';
export {
  ONNX_TYPE,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxTensor,
  readOnnx,
  replaceInitializers,
} from './onnx.ts';
export {
  type Column,
  type ColumnType,
  type ParquetFooter,
  type ParquetInfo,
  type ParquetReadOptions,
  parquetFooter,
  parquetInfo,
  type RowOf,
  readParquetColumns,
  readParquetRowGroup,
  readParquetRows,
} from './parquet.ts';
export { TableBuilder } from './parquet-columns.ts';
export { readParquetNumbers } from './parquet-numbers.ts';
export {
  type ColumnValues,
  countValues,
  type FixedValues,
  freeColumn,
  type PlainStrings,
  pickStrings,
  plainStrings,
  sliceColumn,
  stringBytes,
  stringsEqual,
  stringsOf,
} from './parquet-values.ts';
export { createParquetWriter, type ParquetWriter, type ParquetWriterOptions } from './parquet-writer.ts';
export { readWarc, readWarcBatches, targetUri, type WarcOptions } from './warc.ts';
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
