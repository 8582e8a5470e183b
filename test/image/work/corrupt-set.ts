/**
 * Decodes every file of a tar.gz and prints what became of them, for corrupt.test.ts: a process of its own, so that a crash
 * of a decoder is a failed test and not the end of all tests. Argument: the archive.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type DecodeLimits, decodeImage } from '../../../src/image/index.ts';
import { tarFiles } from '../shared-data.ts';

const LIMITS: DecodeLimits = {
  minBytes: 0,
  maxPixels: 89_478_485,
  formats: ['jpeg', 'png', 'webp', 'gif', 'avif', 'svg'],
};

const [archive = ''] = process.argv.slice(2);
const counts: Record<string, number> = {};
const digest = createHash('sha256');
let files = 0;
for (const { name, bytes } of tarFiles(gunzipSync(readFileSync(archive)))) {
  const outcome = await decodeImage(bytes, LIMITS);
  const { width, height, data } = outcome.kept
    ? outcome.value
    : { width: 0, height: 0, data: new Uint8Array() };
  if (data.length !== width * height * 3)
    throw new Error(`${name}: ${data.length} bytes of ${width} × ${height}`);
  const key = outcome.kept ? 'kept' : outcome.reason;
  counts[key] = (counts[key] ?? 0) + 1;
  digest.update(`${name} ${key} ${width} ${height} ${outcome.kept ? '' : outcome.detail}`).update(data);
  files++;
}
const { user, system } = process.cpuUsage();
process.stdout.write(
  JSON.stringify({
    files,
    counts,
    digest: digest.digest('hex'),
    cpuSeconds: (user + system) / 1e6,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
