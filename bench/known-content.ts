/** What lists of known content cost: ten million digests, ten million perceptual hashes, read and asked. */
import { randomFillSync } from 'node:crypto';
import { DigestSet } from '../src/formats/index.ts';
import { NearHashes } from '../src/safety/near-hashes.ts';

const ENTRIES = 10_000_000;
const BATCH = 100_000;
const PICTURES = 100;

export async function bench(): Promise<void> {
  const bytes = new Uint8Array(16 * BATCH);
  const entries = (of: number) => bytes.subarray(of * 16, (of + 1) * 16);
  const digests = new DigestSet();
  report('10,000,000 digests added', () => {
    for (let n = 0; n < ENTRIES; n++) {
      if (n % BATCH === 0) randomFillSync(bytes);
      digests.add(entries(n % BATCH));
    }
  });
  report('sorted', () => digests.has(entries(0)));
  report(`${BATCH} asked for`, () => {
    for (let n = 0; n < BATCH; n++) if (!digests.has(entries(n))) throw new Error('a digest is lost');
  });
  const hash = (of: number) => Buffer.from(entries(of).subarray(0, 8)).toString('hex');
  const near = new NearHashes();
  report('10,000,000 perceptual hashes added', () => {
    for (let n = 0; n < ENTRIES; n++) {
      if (n % BATCH === 0) randomFillSync(bytes);
      near.add(hash(n % BATCH));
    }
  });
  report('indexed', () => near.nearest(hash(0), 0));
  randomFillSync(bytes);
  for (const distance of [0, 3, 7, 11, 15])
    report(`${PICTURES} asked for within ${distance} bits`, () => {
      for (let n = 0; n < PICTURES; n++) near.nearest(hash(n), distance);
    });
  process.stdout.write(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
}

function report(what: string, work: () => unknown): void {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${what}: ${((user + system) / 1e6).toFixed(3)} CPU-s\n`);
}
