import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import jpegTurbo from '@julusian/jpeg-turbo';
import { serveHarvest } from '../../src/executors/serve-harvest.ts';

/**
 * The process of a harvest with a decoder that ends it at some images: those whose bytes hold the words 'ends by abort',
 * 'takes all memory' or 'never ends'. The last waits in a thread of the pool for somebody to write to the pipe NEVER, and
 * writes the process's id to NEVER.pid. With ENDS_AT_ONCE the process is killed before it has begun anything.
 */
const { decompress } = jpegTurbo;
const { NEVER: never = '', ENDS_AT_ONCE: atOnce } = process.env;

if (atOnce) process.kill(process.pid, 'SIGKILL');

Object.assign(jpegTurbo, {
  decompress: async (image: Buffer, ...rest: never[]) => {
    if (image.includes('ends by abort')) process.abort();
    if (image.includes('takes all memory'))
      for (const all: string[][] = []; ; ) all.push(Array(1e5).fill('x'));
    if (image.includes('never ends')) {
      writeFileSync(`${never}.pid`, String(process.pid));
      await open(never);
    }
    return decompress(image, ...rest);
  },
});
serveHarvest({ aliveEveryMs: 500, imageMs: 5_000 });
