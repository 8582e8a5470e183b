import { fork } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { streamLocation } from '../src/storage/index.ts';

/** What reading a WAT from a server costs beside reading it from the disk: CPU-seconds of the reading process alone. */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { megabytes: { type: 'string', default: '400' } },
  });
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  const file = join(folder, 'file');
  const handle = await open(file, 'w');
  const part = Buffer.alloc(1 << 20, 'gleaner');
  for (let i = 0; i < Number(values.megabytes); i++) await handle.write(part);
  await handle.close();
  // A process of its own, so that its work is not counted with the reader's.
  const server = fork(import.meta.filename, ['serve', file]);
  const port = await new Promise<unknown>((resolve) => server.once('message', resolve));
  const http = `http://127.0.0.1:${port}`;
  const env = {
    AWS_ENDPOINT_URL_S3: http,
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
  Object.assign(process.env, env);
  const ways: readonly [string, string][] = [
    ['disk', file],
    ['http', `${http}/whole`],
    ['http, broken every 8 MiB', `${http}/broken`],
    ['s3', 's3://bucket/whole'],
    ['s3, broken every 8 MiB', 's3://bucket/broken'],
  ];
  try {
    for (let round = 1; round <= 2; round++)
      for (const [name, location] of ways) {
        const [began, cpu] = [performance.now(), process.cpuUsage()];
        let bytes = 0;
        const retry = { backoffMs: 1 };
        for await (const chunk of streamLocation(location, { retry })) bytes += chunk.length;
        if (bytes !== part.length * Number(values.megabytes)) throw new Error(`${name}: ${bytes} bytes`);
        const { user, system } = process.cpuUsage(cpu);
        const seconds = (performance.now() - began) / 1000;
        const memory = process.memoryUsage.rss() / 1e6;
        process.stdout.write(
          `round ${round}  ${name.padEnd(26)} ${((user + system) / 1e6).toFixed(2)} CPU-s  ${(bytes / 1e6 / seconds).toFixed(0)} MB/s  ${memory.toFixed(0)} MB resident\n`,
        );
      }
  } finally {
    server.kill();
    await rm(folder, { recursive: true });
  }
}

/** Serves one file in ranges; below /broken, 8 MiB of it a connection. */
async function serve(file: string): Promise<void> {
  const { size } = await stat(file);
  const server = createServer((request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(request.headers.range ? 206 : 200, {
      ETag: '"1"',
      'Content-Length': size - start,
      ...(request.headers.range && { 'Content-Range': `bytes ${start}-${size - 1}/${size}` }),
    });
    const end = request.url?.includes('broken') ? Math.min(size, start + (8 << 20)) : size;
    createReadStream(file, { start, end: end - 1, highWaterMark: 1 << 20 })
      .on('end', () => (end === size ? response.end() : response.socket?.destroySoon()))
      .pipe(response, { end: false });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address) process.send?.(address.port);
  });
}

if (process.argv[2] === 'serve' && process.send) await serve(process.argv[3] ?? '');
