import { readCharsmap } from './charsmap.ts';

type Normalize = (text: string) => string;

/** A step of a normalizer as the library makes it of tokenizer.json: to be called, with what it was made of. */
export interface NormalizerStep extends Normalize {
  readonly config: { readonly type: string; readonly precompiled_charsmap?: string | null };
  /** Of a `Sequence`. */
  readonly normalizers?: readonly (NormalizerStep | null)[];
}

/**
 * A tokenizer's normalizer with the two steps that the library does otherwise than its reference, the Rust crate tokenizers:
 * `Precompiled` is about NFKC there and not the table that the file has, `Lowercase` looks at what stands beside a letter
 * (ς at the end of a Greek word), which Rust does not.
 *
 * @throws Error where a table cannot be read
 */
export function followReference(step: NormalizerStep | null): Normalize | null {
  if (step === null) return null;
  const { type, precompiled_charsmap: table } = step.config;
  if (type === 'Sequence') {
    const steps = (step.normalizers ?? []).map(followReference);
    return (text) => steps.reduce((done, next) => next?.(done) ?? done, text);
  }
  if (type === 'Lowercase') return lowerLetters;
  // Some files name the step and leave the table out: the library's approximation is the best that is known of it.
  if (type === 'Precompiled' && typeof table === 'string') return readCharsmap(table);
  return step;
}

/**
 * Before a pre-tokenizer that splits at white space U+0085 has to be a space: to Rust's WhitespaceSplit it is white space, to
 * JavaScript's `\s` it is not.
 */
export function splitAtNextLine(normalize: Normalize | null, preTokenizer: unknown): Normalize | null {
  if (!JSON.stringify(preTokenizer ?? null).includes('"WhitespaceSplit"')) return normalize;
  return (text) => (normalize?.(text) ?? text).replaceAll('\x85', ' ');
}

/** Lower case of each character by itself: Σ is always σ. */
export function lowerLetters(text: string): string {
  return text.includes('Σ') ? Array.from(text, (c) => c.toLowerCase()).join('') : text.toLowerCase();
}
