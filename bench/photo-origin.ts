import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

/** Loopback addresses that the photos are spread over: 127.0.0.1 and on. */
const HOSTS = 16;

const FOLDERS = { original: 'photos-original', small: 'zeroshot-imagenet1000/images' } as const;

export interface PhotoOrigin {
  /** `n` URLs, all different: an untouched photo (84 kB in the mean) and a small one (22 kB) in turn. */
  urls(n: number): string[];
  /** HOST:PORT of all addresses. */
  readonly hosts: readonly string[];
  close(): void;
}

/** Photos by HTTP from a process of its own, so that its work is not counted with the downloader's. */
export async function startPhotoOrigin(data: string): Promise<PhotoOrigin | undefined> {
  const folders = Object.entries(FOLDERS).map(([name, folder]) => [name, join(data, folder)] as const);
  if (!folders.every(([, folder]) => existsSync(folder))) return undefined;
  const server = fork(import.meta.filename, ['serve', data]);
  const port = await new Promise<unknown>((resolve) => server.once('message', resolve));
  const photos = folders.map(([name, folder]) =>
    readdirSync(folder)
      .sort()
      .map((file) => `/${name}/${encodeURIComponent(file)}`),
  );
  return {
    hosts: Array.from({ length: HOSTS }, (_, i) => `127.0.0.${i + 1}:${port}`),
    urls: (n) =>
      Array.from({ length: n }, (_, i) => {
        const names = photos[i % photos.length] ?? [];
        const name = names[Math.floor(i / photos.length) % names.length];
        return `http://127.0.0.${1 + (i % HOSTS)}:${port}${name}?id=${i}`;
      }),
    close: () => {
      server.kill();
    },
  };
}

async function serve(data: string): Promise<void> {
  const photos = new Map<string, Buffer>();
  for (const [name, folder] of Object.entries(FOLDERS))
    for (const file of readdirSync(join(data, folder)))
      photos.set(`/${name}/${encodeURIComponent(file)}`, readFileSync(join(data, folder, file)));
  let port = 0;
  for (let i = 1; i <= HOSTS; i++) {
    const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
      const photo = photos.get((request.url ?? '').split('?', 1)[0] ?? '');
      if (!photo) response.writeHead(404).end();
      else
        response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': photo.length }).end(photo);
    });
    await new Promise<void>((resolve) =>
      server.listen({ port, host: `127.0.0.${i}`, backlog: 1024 }, resolve),
    );
    const address = server.address();
    if (typeof address === 'object' && address) port = address.port;
  }
  process.send?.(port);
}

if (process.argv[2] === 'serve' && process.send) await serve(process.argv[3] ?? '');
