import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Db, PgBoss } from 'pg-boss';
import { GleanerError } from '../../schema/index.ts';
import { deadLetters, QUEUE_OPTIONS, QUEUES, SUPERVISE_SECONDS } from './queues.ts';
import { SCHEMA_SQL, SCHEMA_VERSION } from './schema.ts';

/** Whatever asks a database: the pool, or one connection within a transaction. */
export interface Sql {
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly R[]>;
}

export interface DatabaseOptions {
  /** Connections at most. @default 4 */
  readonly connections?: number;
  /** Looks after tasks whose worker is gone, and after dependencies. @default true */
  readonly supervise?: boolean;
  /** A database that does not answer is asked again for so long, in milliseconds. @default 300_000 */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** First wait after a failure, and the longest, in milliseconds. */
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
const FIRST_PATIENCE_MS = 10_000;
const PATIENCE_MS = 300_000;

/** The database of a fleet: its queue (pg-boss), and the tables beside it. */
export class Database implements Sql, AsyncDisposable {
  readonly boss: PgBoss;
  readonly #pool: pg.Pool;
  readonly #where: string;
  /** A wrong address is told soon; a database that was there once is waited for. */
  #patienceMs = FIRST_PATIENCE_MS;
  readonly #signal: AbortSignal | undefined;

  private constructor(url: string, options: DatabaseOptions) {
    this.#where = withoutPassword(url);
    this.#signal = options.signal;
    this.#pool = new pg.Pool({
      connectionString: url,
      max: options.connections ?? 4,
      connectionTimeoutMillis: 10_000,
      application_name: 'gleaner',
      keepAlive: true,
    });
    // A connection that breaks while it idles: the next query takes another.
    this.#pool.on('error', () => undefined);
    this.boss = new PgBoss({
      db: this.#asDb(this.#pool),
      supervise: options.supervise ?? true,
      schedule: false,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
      flowIntervalSeconds: 2,
    });
    // Its own rounds fail while the database restarts; they come again.
    this.boss.on('error', () => undefined);
    this.boss.on('warning', () => undefined);
  }

  /**
   * Opens a fleet's database, and makes its tables where there are none.
   *
   * @param url postgres://USER:PASSWORD@HOST:PORT/DATABASE
   * @throws GleanerError USAGE, DATABASE_UNREACHABLE, DATABASE_REFUSED, SCHEMA_MISMATCH
   */
  static async open(url: string, options: DatabaseOptions = {}): Promise<Database> {
    if (!/^postgres(?:ql)?:\/\//.test(url) || !URL.canParse(url))
      throw new GleanerError('USAGE', {
        problem: "'--database' takes postgres://USER:PASSWORD@HOST:PORT/DATABASE.",
      });
    const database = new Database(url, options);
    try {
      await database.#install();
    } catch (error) {
      await database.#pool.end();
      throw error;
    }
    database.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    return database;
  }

  async query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly R[]> {
    return this.persevere(async () => (await this.#pool.query<R>(text, values?.slice())).rows);
  }

  /**
   * Runs some work in one transaction. It may be run again: where the connection breaks nothing of it is left, unless it
   * broke while the end was told; so work has to find what it did.
   */
  async transaction<T>(work: (sql: Sql, db: Db) => Promise<T>): Promise<T> {
    return this.persevere(async () => {
      const client = await this.#pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('BEGIN');
        const sql: Sql = {
          query: async <R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) =>
            (await client.query<R>(text, values?.slice())).rows,
        };
        const result = await work(sql, this.#asDb(client));
        await client.query('COMMIT');
        return result;
      } catch (error) {
        broken = error instanceof Error ? error : new Error(String(error));
        await client.query('ROLLBACK').then(
          () => {
            if (!isPassing(error)) broken = undefined;
          },
          () => undefined,
        );
        throw error;
      } finally {
        client.release(broken);
      }
    });
  }

  /**
   * Does some work that asks the database, again where the database is away for a while.
   * @throws GleanerError DATABASE_UNREACHABLE when patience ends, DATABASE_REFUSED
   */
  async persevere<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    for (let waitMs = BACKOFF_MS; ; waitMs = Math.min(MAX_BACKOFF_MS, waitMs * 2)) {
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw this.#told(error);
        if (performance.now() - began + waitMs > this.#patienceMs) throw this.#unreachable(error);
        await sleep(waitMs * (0.5 + Math.random()), undefined, this.#signal ? { signal: this.#signal } : {});
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.boss.stop({ graceful: false, close: false }).catch(() => undefined);
    await this.#pool.end();
  }

  async #install(): Promise<void> {
    await this.persevere(() => this.boss.start());
    await this.transaction(async (sql) => {
      // Of many workers that begin at once, one makes the tables.
      await sql.query("SELECT pg_advisory_xact_lock(hashtext('gleaner.schema'))");
      const [there] = await sql.query<{ found: string | null }>(
        "SELECT to_regclass('gleaner.schema_version')::text AS found",
      );
      if (there?.found) {
        const [row] = await sql.query<{ version: number }>('SELECT version FROM gleaner.schema_version');
        if (row?.version !== SCHEMA_VERSION)
          throw new GleanerError('SCHEMA_MISMATCH', {
            where: this.#where,
            found: row?.version ?? 0,
            mine: SCHEMA_VERSION,
          });
        return;
      }
      await sql.query(SCHEMA_SQL);
      await sql.query('INSERT INTO gleaner.schema_version VALUES ($1)', [SCHEMA_VERSION]);
    });
    await this.persevere(() => this.#createQueues());
  }

  async #createQueues(): Promise<void> {
    const names = new Set((await this.boss.getQueues()).map(({ name }) => name));
    for (const queue of QUEUES) {
      const { retentionSeconds, deleteAfterSeconds } = QUEUE_OPTIONS;
      if (!names.has(deadLetters(queue)))
        await this.boss.createQueue(deadLetters(queue), { retentionSeconds, deleteAfterSeconds });
      if (!names.has(queue))
        await this.boss.createQueue(queue, { ...QUEUE_OPTIONS, deadLetter: deadLetters(queue) });
    }
  }

  #asDb(client: Pick<pg.ClientBase, 'query'> | pg.Pool): Db {
    return {
      // Without values several statements may go together.
      executeSql: (text, values) =>
        values === undefined || values.length === 0
          ? client.query(text)
          : client.query(text, values as unknown[]),
    };
  }

  /** What the user has to mend, as such. */
  #told(error: unknown): unknown {
    if (error instanceof GleanerError || !isPgError(error)) return error;
    const problem = REFUSALS[error.code];
    if (problem === undefined) return error;
    return new GleanerError('DATABASE_REFUSED', { where: this.#where, problem }, { cause: error });
  }

  #unreachable(error: unknown): GleanerError {
    const problem = error instanceof Error && error.message !== '' ? error.message : codeOf(error);
    return new GleanerError(
      'DATABASE_UNREACHABLE',
      { where: this.#where, problem: problem ?? 'no answer' },
      { cause: error },
    );
  }
}

/** By SQLSTATE (https://www.postgresql.org/docs/18/errcodes-appendix.html). */
const REFUSALS: Readonly<Record<string, string>> = {
  '28P01': 'the password is wrong',
  '28000': 'the user is not allowed in',
  '3D000': 'there is no such database',
  '42501': 'the user may not do that; it needs to own the database, or the schemas gleaner and pgboss',
  '53100': 'its disk is full',
};

/** Errors after which the same may be asked again: the connection broke, or the database shuts down or comes up. */
const PASSING_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  '53300', // too_many_connections
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '40001', // serialization_failure
  '40P01', // deadlock_detected
]);

function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return PASSING_CODES.has(code) || code.startsWith('08');
  if (error instanceof AggregateError) return error.errors.some(isPassing);
  return (
    error instanceof Error &&
    /^Connection terminated|^timeout exceeded when trying to connect|^Client has encountered a connection error|^Client was closed/.test(
      error.message,
    )
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function isPgError(error: unknown): error is Error & { readonly code: string } {
  return /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '');
}

/** For messages and logs. */
function withoutPassword(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}${parsed.pathname}` : 'the database';
}
