import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startS3 } from '../test/support/s3-server.ts';

interface Row {
  readonly name: string;
  readonly seconds: number;
  readonly cpu: number;
  readonly peakMb: number;
}

/**
 * Writing and reading objects of 64 MB on the file storage and on S3 (s3rver, in this process; the client is another): CPU
 * time of the client, wall time, and its memory, which must not grow with the bytes.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      gb: { type: 'string', default: '1' },
      'object-mb': { type: 'string', default: '64' },
      'at-once': { type: 'string', default: '1,4' },
    },
  });
  const size = Number(values['object-mb']) << 20;
  const count = Math.round((Number(values.gb) * 1024 ** 3) / size);
  process.stdout.write(`${count} objects of ${values['object-mb']} MB\n\n`);
  process.stdout.write('| storage | at once | work | wall, s | CPU-s | MB/s | peak MB |\n');
  process.stdout.write('| --- | --- | --- | --- | --- | --- | --- |\n');
  await using server = await startS3();
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-s3-'));
  try {
    for (const atOnce of values['at-once'].split(','))
      for (const [kind, location] of [
        ['files', folder],
        ['S3', `s3://${server.bucket}/bench`],
      ] as const) {
        const client = new URL('./s3-client.ts', import.meta.url).pathname;
        const { stdout } = await promisify(execFile)(
          process.execPath,
          [client, location, String(count), String(size), atOnce],
          { env: { ...process.env, ...server.env } },
        );
        for (const { name, seconds, cpu, peakMb } of JSON.parse(stdout) as Row[]) {
          const bytes = name === 'ranges of 64 kB' ? (count * size) / 16 : count * size;
          const cells = [kind, atOnce, name, seconds.toFixed(2), cpu.toFixed(2)];
          cells.push((bytes / 1e6 / seconds).toFixed(0), peakMb.toFixed(0));
          process.stdout.write(`| ${cells.join(' | ')} |\n`);
        }
      }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
