/** spm_precompiled looks a cluster up as a whole only where it has fewer bytes. */
const MAX_CLUSTER_BYTES = 6;
/**
 * Characters of which none joins its neighbour to one cluster (UAX #29), so that the slow cutting into clusters can be left
 * out. Marks, jamo, emoji and scripts with joining letters are not among them.
 */
const ALONE =
  /^[\p{Lu}\p{Ll}\p{Nd}\p{Zs}\p{P}\p{Sc}\p{Sm}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\uac00-\ud7a3]*$/u;
const CLUSTERS = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Reads SentencePiece's table of characters, which a tokenizer.json holds as `precompiled_charsmap`: 4 bytes with the length of
 * a trie, the trie (a double array of darts-clone, 32-bit units, little-endian), and the replacements, each ended by a zero.
 *
 * @param base64 - the table; '' replaces nothing
 * @returns what replaces characters as the Rust crate spm_precompiled does, which transformers' fast tokenizers call
 * @throws Error where it is no such table
 */
export function readCharsmap(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0) return (text) => text;
  const size = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  if (size === 0 || size % 4 !== 0 || 4 + size > bytes.length)
    throw new Error('precompiled_charsmap: its trie is cut off');
  const trie = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + i * 4));
  const replacements = bytes.subarray(4 + size);
  // Captions are in few characters: each is looked up once.
  const known = new Map<string, string>();
  const ofOne = (char: string): string => {
    const found = known.get(char);
    if (found !== undefined) return found;
    const replaced = lookUp(trie, replacements, Buffer.from(char)) ?? char;
    known.set(char, replaced);
    return replaced;
  };
  const plain = plainAscii(ofOne);

  return (text) => {
    if (plain.test(text)) return text;
    if (ALONE.test(text)) return Array.from(text, ofOne).join('');
    let normalized = '';
    for (const { segment } of CLUSTERS.segment(text)) normalized += ofCluster(segment);
    return normalized;
  };

  function ofCluster(cluster: string): string {
    const chars = Array.from(cluster);
    if (chars.length === 1) return ofOne(cluster);
    const bytes = Buffer.from(cluster);
    const whole = bytes.length < MAX_CLUSTER_BYTES ? lookUp(trie, replacements, bytes) : undefined;
    return whole ?? chars.map(ofOne).join('');
  }
}

/** Printable ASCII that the table leaves as it is. */
function plainAscii(ofOne: (char: string) => string): RegExp {
  const codes = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i));
  const same = codes.filter((char) => ofOne(char) === char);
  const set = same.map((char) => `\\x${char.charCodeAt(0).toString(16)}`).join('');
  return new RegExp(`^[${set}]*$`);
}

/**
 * What the shortest key that `bytes` begin with is replaced by. The shortest, and the rest of a cluster is lost: so does
 * spm_precompiled, where SentencePiece itself takes the longest.
 */
function lookUp(trie: Uint32Array, replacements: Buffer, bytes: Uint8Array): string | undefined {
  const unit = (i: number): number => trie[i] ?? 0;
  let node = offsetOf(unit(0));
  for (const byte of bytes) {
    if (byte === 0) return undefined;
    node ^= byte;
    const here = unit(node);
    // The label of a unit, with the bit that marks a leaf's value.
    if ((here & 0x800000ff) >>> 0 !== byte) return undefined;
    node ^= offsetOf(here);
    if (((here >>> 8) & 1) === 1) {
      const from = unit(node) & 0x7fffffff;
      const to = replacements.indexOf(0, from);
      return replacements.toString('utf8', from, to < 0 ? replacements.length : to);
    }
  }
  return undefined;
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
