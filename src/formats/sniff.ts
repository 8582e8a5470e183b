const SIGNATURES: readonly (readonly [prefix: string, name: string])[] = [
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['RIFF', 'a RIFF file, as WebP images are'],
  ['PK\x03\x04', 'a zip archive'],
  ['\x28\xb5\x2f\xfd', 'Zstandard data'],
  ['BZh', 'bzip2 data'],
  ['\xfd7zXZ', 'xz data'],
  ['\x1f\x8b', 'gzip data'],
  ['PAR1', 'a Parquet file'],
  ['%PDF', 'a PDF document'],
  ['filedesc://', 'an ARC file, the format before WARC'],
  ['<?xml', 'an XML document'],
  ['<', 'an HTML page'],
  ['{', 'JSON'],
];

/** What the first bytes of a file show it to be, in words for a message: 'a PNG image'. */
export function describeContent(head: Uint8Array): string {
  const text = Buffer.from(head.subarray(0, 24)).toString('latin1');
  const known = SIGNATURES.find(([prefix]) => text.startsWith(prefix));
  if (known) return known[1];
  if (text === '') return 'nothing: it is empty';
  if (/^[\x20-\x7e\s]+$/.test(text)) return `the text ${JSON.stringify(text.trimEnd())}`;
  return `the bytes ${Buffer.from(head.subarray(0, 8)).toString('hex')}`;
}
