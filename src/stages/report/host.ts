const SCHEMES = [Buffer.from('https://'), Buffer.from('http://')];
const [DOT, SLASH, HYPHEN] = [0x2e, 0x2f, 0x2d];
const [QUERY, FRAGMENT] = [0x3f, 0x23];

/**
 * The host of a URL, with its port where it is not the usual one, as `URL.parse` gives it; '' where there is none.
 *
 * Released URLs are written as the URL standard does. Where a host is plain, it is what stands between '//' and the next
 * '/', and no URL has to be parsed, which takes ten times as long: lower-case letters, digits, dots and hyphens, with a
 * last label that begins with a letter (else it may be an IPv4 address) and no label of Punycode (which may be invalid).
 *
 * @param url UTF-8
 */
export function hostOf(url: Uint8Array): string {
  const bytes = Buffer.from(url.buffer, url.byteOffset, url.length);
  const scheme = SCHEMES.find((prefix) => startsWith(bytes, prefix));
  const end = scheme && endOfPlainHost(bytes, scheme.length);
  if (scheme && end !== undefined) return bytes.toString('latin1', scheme.length, end);
  return URL.parse(bytes.toString())?.host ?? '';
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** @returns undefined where the host is not plain */
function endOfPlainHost(bytes: Uint8Array, start: number): number | undefined {
  let label = start;
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === SLASH || byte === QUERY || byte === FRAGMENT) break;
    if (byte === DOT) label = at + 1;
    else if (byte === HYPHEN && bytes[at - 1] === HYPHEN)
      return undefined; // As in xn--.
    else if (!isLetter(byte) && !(byte >= 0x30 && byte <= 0x39) && byte !== HYPHEN) return undefined;
  }
  return label < at && isLetter(bytes[label] ?? 0) ? at : undefined;
}

function isLetter(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}
