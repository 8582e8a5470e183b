import { openStorage } from '../src/storage/index.ts';

/** What bench/s3.ts measures, in a process of its own: LOCATION, objects, bytes of each, how many at once. */
const [location = '', objects = '16', bytes = '67108864', atOnce = '1'] = process.argv.slice(2);
const [count, size, lanes] = [Number(objects), Number(bytes), Number(atOnce)];
const storage = openStorage(location);
const chunk = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 24);
// What is loaded and compiled once is not what is measured.
await storage.put('warm', 'x');
await storage.read('warm');

async function each(work: (path: string) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < count; i = next++) await work(`objects/${i}`);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function measured(name: string, work: () => Promise<void>): Promise<Record<string, unknown>> {
  const began = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - began) / 1000;
  return { name, seconds, cpu: (user + system) / 1e6, peakMb: process.resourceUsage().maxRSS / 1024 };
}

const rows = [
  await measured('write', () =>
    each(async (path) => {
      const file = await storage.create(path);
      for (let at = 0; at < size; at += chunk.length)
        await file.write(chunk.subarray(0, Math.min(chunk.length, size - at)));
      await file.commit({ lasting: false });
    }),
  ),
  await measured('stream', () =>
    each(async (path) => {
      let read = 0;
      for await (const part of storage.stream(path, { passing: true })) read += part.length;
      if (read !== size) throw new Error(`${path}: read ${read} bytes`);
    }),
  ),
  await measured('ranges of 4 MB', () =>
    each(async (path) => {
      const source = await storage.open(path);
      for (let at = 0; at < size; at += 4 << 20) await source.slice(at, Math.min(size, at + (4 << 20)));
      await source.close();
    }),
  ),
  await measured('ranges of 64 kB', () =>
    each(async (path) => {
      const source = await storage.open(path);
      for (let at = 0; at < size; at += 1 << 20) await source.slice(at, Math.min(size, at + (64 << 10)));
      await source.close();
    }),
  ),
];
process.stdout.write(JSON.stringify(rows));
