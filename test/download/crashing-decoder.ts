import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import jpegTurbo from '@julusian/jpeg-turbo';
import sharp from 'sharp';

/**
 * Loaded by NODE_OPTIONS in every process and thread of a download or an embed: decoders that end their process at some images, those
 * whose bytes hold the words 'ends by abort' or 'ends by kill'. With ENDS_ONCE, the path of a file, the process is killed
 * at the first image, and only once; with ENDS_AT_ONCE before it has begun anything.
 */
const { decompressSync } = jpegTurbo;
const { ENDS_ONCE: once, ENDS_AT_ONCE: atOnce } = process.env;

if (atOnce && isMainThread) process.kill(process.pid, 'SIGKILL');

function endAt(image: Buffer): void {
  if (image.includes('ends by abort')) process.kill(process.pid, 'SIGABRT');
  if (image.includes('ends by kill')) process.kill(process.pid, 'SIGKILL');
  if (once && !existsSync(once)) {
    writeFileSync(once, '');
    process.kill(process.pid, 'SIGKILL');
  }
}

Object.assign(jpegTurbo, {
  decompressSync: (image: Buffer, ...rest: never[]) => {
    endAt(image);
    return decompressSync(image, ...rest);
  },
});

// What sharp is given lies in its options (sharp 0.35, lib/input.js).
const { toBuffer } = sharp.prototype;
sharp.prototype.toBuffer = function (this: { options: { input: { buffer?: Buffer } } }, ...rest: never[]) {
  const { buffer } = this.options.input;
  if (buffer) endAt(Buffer.from(buffer));
  return toBuffer.apply(this, rest);
};
