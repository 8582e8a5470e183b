import { AskedThread } from '../knn/asked-thread.ts';
import type { RowSet } from '../knn/index.ts';
import { FullTextIndex, type TextHit, type TextSearcher, type TextSearchOptions } from './full-text-index.ts';

/** What a thread is asked; a set goes as its words, which are shared. */
export type TextRequest =
  | { readonly query: string; readonly k: number; readonly among: SharedSet | undefined }
  | { readonly query: string; readonly ids: readonly number[] };
type SharedSet = Pick<RowSet, 'places' | 'words'>;

export type TextAnswer =
  | { readonly hits: { readonly ids: Float64Array; readonly scores: Float64Array } }
  | { readonly matched: ReadonlyMap<number, readonly string[]> };

// Sources run as they are in development; the build leaves JavaScript.
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './text-thread.ts' : './text-thread.js',
  import.meta.url,
);

/**
 * A `FullTextIndex` that is searched on a thread of its own, one search after the other in the order in which they came: one
 * in frequent words takes a tenth of a second, in which the caller's thread is free.
 */
export class FullTextThread implements TextSearcher {
  readonly #thread: AskedThread<TextRequest, TextAnswer>;

  private constructor(path: string) {
    this.#thread = new AskedThread(THREAD, 'fulltext', path);
  }

  /** @throws GleanerError DAMAGED */
  static async open(path: string): Promise<FullTextThread> {
    await (await FullTextIndex.open(path)).close();
    return new FullTextThread(path);
  }

  async search(query: string, { k, among }: TextSearchOptions): Promise<readonly TextHit[]> {
    const set = among && { places: among.places, words: among.words };
    const answer = await this.#thread.ask({ query, k, among: set });
    if (!('hits' in answer)) throw new Error('the thread has answered something else');
    const { ids, scores } = answer.hits;
    return Array.from(ids, (hit, i) => ({ id: hit, score: scores[i] ?? 0 }));
  }

  async matched(query: string, ids: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
    const answer = await this.#thread.ask({ query, ids });
    if (!('matched' in answer)) throw new Error('the thread has answered something else');
    return answer.matched;
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}
