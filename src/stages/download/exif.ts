/** Names and values of the EXIF tags of a JPEG as JSON, null where it has none. */
export function readExif(_bytes: Uint8Array): string | null {
  return null;
}
