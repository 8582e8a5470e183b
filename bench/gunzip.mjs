// The floor of `npm run bench -- extract`: inflates a file and counts its bytes. Plain JavaScript, so that nothing else is timed.
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';

const gunzipped = createReadStream(process.argv[2], { highWaterMark: 1 << 20 }).pipe(
  createGunzip({ chunkSize: 1 << 20 }),
);
let bytes = 0;
for await (const chunk of gunzipped) bytes += chunk.length;
process.stdout.write(`${bytes}\n`);
