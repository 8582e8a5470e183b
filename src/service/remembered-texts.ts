import type { Embedder } from './embedder.ts';

/** Texts whose embeddings are remembered, at most: some 3 kB each with 512 dimensions. */
const MOST_TEXTS = 1024;
/** Longer ones are embedded anew, in UTF-16 units: nobody types them twice. */
const MOST_CHARS = 500;

/**
 * An embedder that remembers the texts it was asked last: who goes down a page of results asks for the same again with each
 * piece, and what many look for is asked by many. Of one text that is asked twice at once, the second waits for the first.
 */
export function rememberTexts(embedder: Embedder): Embedder {
  /** By text, least recently asked first. */
  const known = new Map<string, Promise<Float32Array>>();
  return {
    ...embedder,
    embedTexts(texts) {
      const [text, ...others] = texts;
      if (text === undefined || others.length > 0 || text.length > MOST_CHARS)
        return embedder.embedTexts(texts);
      const vector = known.get(text) ?? embedder.embedTexts(texts);
      known.delete(text);
      known.set(text, vector);
      vector.catch(() => known.get(text) === vector && known.delete(text));
      for (const oldest of known.keys()) {
        if (known.size <= MOST_TEXTS) break;
        known.delete(oldest);
      }
      // A copy: whoever gets it may change it, or give it to a thread.
      return vector.then((numbers) => numbers.slice());
    },
  };
}
