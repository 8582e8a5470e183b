import { existsSync, writeFileSync } from 'node:fs';
import jpegTurbo from '@julusian/jpeg-turbo';

/**
 * The process of a download with a decoder that ends it at some images: those whose bytes hold the words 'ends by abort'
 * or 'ends by kill'. With ENDS_ONCE, the path of a file, it is killed at the first image, and only once; with ENDS_AT_ONCE
 * before it has begun anything.
 */
const { decompress } = jpegTurbo;
const { ENDS_ONCE: once, ENDS_AT_ONCE: atOnce } = process.env;

if (atOnce) process.kill(process.pid, 'SIGKILL');

Object.assign(jpegTurbo, {
  decompress: (image: Buffer, ...rest: never[]) => {
    if (image.includes('ends by abort')) process.abort();
    if (image.includes('ends by kill')) process.kill(process.pid, 'SIGKILL');
    if (once && !existsSync(once)) {
      writeFileSync(once, '');
      process.kill(process.pid, 'SIGKILL');
    }
    return decompress(image, ...rest);
  },
});
await import('../../src/executors/shard-process.ts');
