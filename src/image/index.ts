export { type DecodeLimits, decodeImage } from './decode.ts';
export { perceptualHash } from './phash.ts';
export { type ResampleFilter, resample } from './resample.ts';
export { sniffFormat } from './sniff.ts';
export { encodeJpeg, MAX_JPEG_SIDE, resizeForStore, type StoreSize } from './store.ts';
