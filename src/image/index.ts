export { giveBack } from './buffers.ts';
export { decodeImage } from './decode.ts';
export {
  ENCODE_FORMATS,
  type EncodeFormat,
  type EncodeOptions,
  encodeImage,
  needsEncoding,
  type ReencodeOptions,
} from './encode.ts';
export { type DecodeLimits, type ImageHead, readHead } from './head.ts';
export { perceptualHash } from './phash.ts';
export { type ResampleFilter, resample } from './resample.ts';
export {
  planResize,
  RESIZE_MODES,
  type ResizeMode,
  type ResizeOptions,
  type ResizePlan,
  resizeImage,
} from './resize.ts';
export { sniffFormat } from './sniff.ts';
export { encodeJpeg, MAX_JPEG_SIDE, resizeForStore, type StoreSize } from './store.ts';
