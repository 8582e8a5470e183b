import { randomBytes } from 'node:crypto';
import { copyFile, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { RowSet } from '../knn/index.ts';
import { GleanerError } from '../schema/index.ts';
import { PENDING } from '../storage/index.ts';
import { openSqlite } from './sqlite.ts';
import { type QueryWord, queryWords, searchable, TOKENIZER } from './words.ts';

/** Texts on their way into an index: row i has id `ids[i]`. */
export interface TextBatch {
  /** Whole numbers from 0 up: SAMPLE_IDs. */
  readonly ids: readonly number[];
  readonly texts: readonly string[];
}

export interface TextSearchOptions {
  /** Hits wanted; fewer come where fewer texts have one of the words. */
  readonly k: number;
  /** The ids that may be hits. @default all */
  readonly among?: RowSet;
}

export interface TextHit {
  readonly id: number;
  /** BM25 (k1 = 1.2, b = 0.75), greater is better. */
  readonly score: number;
}

/** Search by words, on whatever thread. */
export interface TextSearcher {
  /**
   * Texts with any of the words, best by BM25, equal ones by id. No letter's case and no diacritic counts; Chinese,
   * Japanese, Thai and emoji are found by any run of signs.
   *
   * @param query up to 32 words are looked for; none is found where it has no word
   */
  search(query: string, options: TextSearchOptions): Promise<readonly TextHit[]>;
  /** Which words of a query each of some texts has, as the query writes them. */
  matched(query: string, ids: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>>;
  close(): Promise<void>;
}

/** In memory while an index is made, in KiB: pages of the database, and (FTS5's hashsize) what is not yet written. */
const CACHE_KIB = 64 << 10;
const HASH_BYTES = 32 << 20;
/**
 * A word in more texts than both is common: it chooses no texts beside words that are not, or a search for "the" and
 * something would score a large part of all texts (0.4 µs each). Elasticsearch's common terms query does the same.
 */
const COMMON_TEXTS = 10_000;
const COMMON_SHARE = 1 / 8;

/**
 * Search by words over texts: an FTS5 table of SQLite, which holds words and where they stand, not the texts. A search
 * finds texts with any of the words, best by BM25; what users write is never FTS5's syntax.
 */
export class FullTextIndex implements TextSearcher {
  readonly #path: string;
  readonly #db: DatabaseSync;
  /** Where changes are made, until they take the place of what is at `#path`. */
  readonly #copy: string | undefined;
  readonly #all: StatementSync;
  readonly #some: StatementSync;
  readonly #matched: StatementSync;
  /** Common words, with the number of texts that have them. */
  readonly #common: ReadonlyMap<string, number>;
  #among: RowSet | undefined;
  #changed = false;
  #closed = false;

  private constructor(path: string, db: DatabaseSync, copy?: string) {
    this.#path = path;
    this.#db = db;
    this.#copy = copy;
    db.function('is_among', (id) => (this.#among?.has(Number(id)) ? 1 : 0));
    const select = (condition: string) =>
      `SELECT rowid AS id, -bm25(captions) AS score FROM captions WHERE captions MATCH ? ${condition}
       ORDER BY score DESC, id LIMIT ?`;
    this.#all = db.prepare(select(''));
    this.#some = db.prepare(select('AND is_among(rowid)'));
    this.#matched = db.prepare(
      'SELECT rowid AS id FROM captions WHERE captions MATCH ? AND rowid IN (SELECT value FROM json_each(?))',
    );
    const common = db.prepare('SELECT term, texts FROM common').all();
    this.#common = new Map(common.map(({ term, texts }) => [String(term), Number(texts)]));
  }

  /**
   * Makes an index in the file `path`, which must not exist. Memory: a batch and about 100 MiB.
   * @param signal ends the build with its reason
   */
  static async build(path: string, batches: AsyncIterable<TextBatch>, signal?: AbortSignal): Promise<void> {
    const db = openSqlite(path);
    try {
      tune(db);
      db.exec(
        `CREATE VIRTUAL TABLE captions USING fts5(text, content='', contentless_delete=1, tokenize="${TOKENIZER}")`,
      );
      db.exec('CREATE TABLE common (term TEXT PRIMARY KEY, texts INTEGER NOT NULL) WITHOUT ROWID');
      db.exec(`INSERT INTO captions(captions, rank) VALUES ('hashsize', ${HASH_BYTES})`);
      for await (const batch of batches) {
        signal?.throwIfAborted();
        insert(db, batch);
      }
      finish(db);
    } finally {
      db.close();
    }
  }

  /**
   * @param options.readOnly whether `add` and `remove` are refused; otherwise they change a copy, which takes the place
   *   of the file at `close`: whoever has that open keeps what it was. @default true
   * @throws GleanerError DAMAGED
   */
  static async open(
    path: string,
    { readOnly = true }: { readonly readOnly?: boolean } = {},
  ): Promise<FullTextIndex> {
    const copy = readOnly ? undefined : pendingBeside(path);
    let db: DatabaseSync | undefined;
    try {
      if (copy === undefined) {
        const url = pathToFileURL(path);
        // Nobody writes to the file: SQLite need not look whether somebody does.
        url.searchParams.set('immutable', '1');
        db = openSqlite(url, { readOnly: true });
      } else {
        await copyFile(path, copy);
        db = openSqlite(copy);
        tune(db);
      }
      return new FullTextIndex(path, db, copy);
    } catch (cause) {
      db?.close();
      if (copy !== undefined) await rm(copy, { force: true });
      const problem = 'is no index of words. Make it again with gleaner index.';
      throw new GleanerError('DAMAGED', { path, problem }, { cause });
    }
  }

  async search(query: string, { k, among }: TextSearchOptions): Promise<readonly TextHit[]> {
    this.#check();
    const words = this.#choosing(queryWords(query));
    if (words.length === 0 || k <= 0) return [];
    const match = words.map(({ phrase }) => phrase).join(' OR ');
    this.#among = among;
    const rows = among ? this.#some.all(match, k) : this.#all.all(match, k);
    this.#among = undefined;
    return rows.map(({ id, score }) => ({ id: Number(id), score: Number(score) }));
  }

  async matched(query: string, ids: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
    this.#check();
    const found = new Map<number, string[]>(ids.map((id) => [id, []]));
    const asked = JSON.stringify(ids);
    for (const { word, phrase } of queryWords(query))
      for (const { id } of this.#matched.all(phrase, asked)) found.get(Number(id))?.push(word);
    return found;
  }

  /** Adds texts; one whose id is there already takes its place. */
  async add(batch: TextBatch): Promise<void> {
    this.#check(true);
    insert(this.#db, batch);
    this.#changed = true;
  }

  /** Takes texts out; ids that are not there are passed over. @returns how many were there */
  async remove(ids: Iterable<number>): Promise<number> {
    this.#check(true);
    const has = this.#db.prepare('SELECT 1 FROM captions_docsize WHERE id = ?');
    const remove = this.#db.prepare('DELETE FROM captions WHERE rowid = ?');
    let removed = 0;
    this.#db.exec('BEGIN');
    for (const id of ids) {
      if (!has.get(id)) continue;
      remove.get(id);
      removed++;
    }
    this.#db.exec('COMMIT');
    if (removed > 0) this.#changed = true;
    return removed;
  }

  /** Writes what was changed: a file with nothing of what was taken out, in its place at once. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#copy === undefined) {
      this.#db.close();
      return;
    }
    const written = pendingBeside(this.#path);
    try {
      if (this.#changed) {
        finish(this.#db);
        // Page by page: what is free in the copy stays behind.
        this.#db.prepare('VACUUM INTO ?').get(written);
      }
      this.#db.close();
      if (this.#changed) {
        await sync(written);
        await rename(written, this.#path);
      }
    } finally {
      await rm(written, { force: true });
      await rm(this.#copy, { force: true });
    }
  }

  /** The words that choose texts: those that are not common; of none but common ones the least common. */
  #choosing(words: readonly QueryWord[]): readonly QueryWord[] {
    const rare = words.filter(({ term }) => !this.#common.has(term));
    if (rare.length > 0) return rare;
    const texts = ({ term }: QueryWord) => this.#common.get(term) ?? 0;
    return words.toSorted((a, b) => texts(a) - texts(b)).slice(0, 1);
  }

  #check(toWrite = false): void {
    if (this.#closed) throw new Error('the index is closed');
    if (toWrite && this.#copy === undefined) throw new Error('the index is open for reading only');
  }
}

/** For a file that nobody else has open, and that is thrown away where writing it fails. */
function tune(db: DatabaseSync): void {
  db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = ON; PRAGMA cache_size = -${CACHE_KIB}`);
}

function insert(db: DatabaseSync, { ids, texts }: TextBatch): void {
  if (ids.length !== texts.length) throw new RangeError('ids and texts differ in number');
  const statement = db.prepare('INSERT OR REPLACE INTO captions(rowid, text) VALUES (?, ?)');
  db.exec('BEGIN');
  ids.forEach((id, i) => {
    // Not `run`: the last rowid that SQLite then says is too large for a number after a row was replaced.
    statement.get(id, searchable(texts[i] ?? ''));
  });
  db.exec('COMMIT');
}

/** Merges all into one segment, in which nothing is left of what was taken out, and counts the common words. */
function finish(db: DatabaseSync): void {
  db.exec("INSERT INTO captions(captions) VALUES ('optimize')");
  const { texts } = db.prepare('SELECT count(*) AS texts FROM captions_docsize').get() ?? {};
  const least = Math.max(COMMON_TEXTS, Number(texts) * COMMON_SHARE);
  db.exec(`CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, captions, row); DELETE FROM common`);
  db.prepare('INSERT INTO common SELECT term, doc FROM temp.vocabulary WHERE doc > ?').get(least);
  db.exec('DROP TABLE temp.vocabulary');
}

/** A name for a file that is being written, which `Storage.sweep` removes. */
function pendingBeside(path: string): string {
  return join(dirname(path), `${PENDING}${basename(path)}-${randomBytes(4).toString('hex')}`);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
