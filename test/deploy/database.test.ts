import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { ROOT } from '../support/gleaner.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { scaledObjectSchema } from './kubernetes-schemas.ts';
import { deployed, manifestsOf } from './manifests.ts';

const operations = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');

/** Statements of the document's blocks, in their order. A password that is left out is some password. */
const statements = [...operations.matchAll(/^( *)```sql\n(.*?)^\1```/gms)]
  .flatMap(([, , block = '']) => block.split(/;\s*\n/))
  .map((statement) => statement.trim().replace("'...'", "'secret'"))
  .filter(Boolean);

describe('SQL of docs/operations.md and of the autoscaler', () => {
  let postgres: Postgres;
  /** Address of the database gleaner, as a role. */
  const as = (role: string) => `postgres://${role}:secret@127.0.0.1:${postgres.port}/gleaner`;

  const ask = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    postgres = await startPostgres('other');
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  it('does what it says on a real PostgreSQL', async () => {
    const creating = statements.filter((statement) => /^CREATE (?:ROLE gleaner |DATABASE)/.test(statement));
    expect(creating).toHaveLength(2);
    for (const statement of creating) await ask(postgres.url, statement);
    // The role that owns its database may make all that a fleet wants, and is no superuser.
    await using database = await Database.open(as('gleaner'));
    expect(await database.query('SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([
      { rolsuper: false },
    ]);
    const rest = statements.filter((statement) => !creating.includes(statement));
    expect(rest.length).toBeGreaterThan(6);
    for (const statement of rest) await ask(as('postgres'), statement);

    // Who only reads may ask for the depth of queues, and for nothing of the queues themselves.
    const queries = manifestsOf('', deployed('kubernetes/components/keda/scaled-objects.yaml'))
      .filter(({ object }) => object.kind === 'ScaledObject')
      .flatMap(({ object }) =>
        scaledObjectSchema.parse(object).spec.triggers.map(({ metadata }) => metadata.query),
      );
    expect(queries).toHaveLength(2);
    for (const query of queries) expect(await ask(as('gleaner_reader'), query)).toEqual([{ coalesce: '0' }]);
    await expect(ask(as('gleaner_reader'), 'SELECT * FROM pgboss.job')).rejects.toThrow(/permission denied/);
    await expect(ask(as('gleaner_reader'), 'DELETE FROM gleaner.run')).rejects.toThrow(/permission denied/);
    // Queues that the autoscaler names are queues that there are.
    const known = new Set(
      (await ask(as('gleaner'), 'SELECT name FROM pgboss.queue')).map(({ name }) => name),
    );
    for (const name of queries.join(' ').matchAll(/'([\w-]+)'/g)) expect(known).toContain(name[1]);
  });
});
