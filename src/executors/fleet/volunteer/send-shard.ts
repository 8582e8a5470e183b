import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../../pipeline/index.ts';
import { harvestFolder } from '../../../pipeline/plan.ts';
import type { Storage } from '../../../storage/index.ts';
import { type CoordinatorClient, NotGranted } from './coordinator-client.ts';
import type { Outside } from './outside.ts';
import { uploadedFiles } from './places.ts';
import { type Claim, UPLOADED, type Uploaded } from './protocol.ts';
import { TransferFailed, upload } from './transfer.ts';

/** Times that a file is sent, at most. */
const TRIES = 6;
/** Wait before the second, in milliseconds; it doubles with each. */
const BACKOFF_MS = 1_000;

/** Where a shard goes, and the way there. */
export interface Destination {
  readonly client: CoordinatorClient;
  readonly outside: Outside;
  readonly lease: string;
}

/**
 * Sends what a task has left, file by file, and then what it says of it.
 *
 * @throws NotGranted where the coordinator does not want it; TransferFailed where its storage does not take it
 */
export async function sendShard(
  storage: Storage,
  manifest: Manifest,
  { client, outside, lease }: Destination,
  signal: AbortSignal,
): Promise<void> {
  const paths = uploadedFiles(harvestFolder(manifest));
  const files = UPLOADED.map((name): Uploaded => {
    const file = manifest.files.find(({ path }) => path === paths[name]);
    if (!file) throw new Error(`${manifest.task} left no ${name}`);
    return { name, bytes: file.bytes, sha256: file.sha256 };
  });
  let addresses = await client.uploads(lease, files, signal);
  for (const { name, bytes } of files) {
    for (let tries = 1; ; tries++) {
      const address = addresses.find((one) => one.name === name);
      if (!address) throw new NotGranted(400, `no address for ${name}`);
      try {
        await upload(
          outside,
          address,
          { path: `${storage.location}/${paths[name as keyof typeof paths]}`, bytes },
          signal,
        );
        break;
      } catch (error) {
        signal.throwIfAborted();
        if (tries === TRIES) throw error;
        await sleep(BACKOFF_MS * 2 ** (tries - 1) * (0.5 + Math.random()), undefined, { signal });
        // Its time may be over.
        if (error instanceof TransferFailed) addresses = await client.uploads(lease, files, signal);
      }
    }
  }
  const { rows } = manifest.facts;
  const claim: Claim = {
    ledgers: Object.fromEntries(
      Object.entries(manifest.ledgers).map(([step, ledger]) => [
        step,
        { in: ledger.in, out: ledger.out, dropped: { ...ledger.dropped } as Record<string, number> },
      ]),
    ),
    rows: typeof rows === 'number' ? rows : 0,
    seconds: manifest.seconds,
    cpuSeconds: manifest.cpuSeconds ?? 0,
    files,
  };
  await client.complete(lease, claim, signal);
}
