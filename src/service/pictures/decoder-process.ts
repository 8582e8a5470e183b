import type { Preprocessing } from '../../clip/index.ts';
import { decodeQueryPicture } from './query-picture.ts';

const preprocessing: Preprocessing = JSON.parse(process.argv[2] ?? '');

/** Decodes one picture after the other for the service, which lives on when this process does not. */
process.on('message', (bytes: Uint8Array) => {
  decodeQueryPicture(bytes, preprocessing).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => process.exit());
// The service's own are told by the terminal too; it ends us when the requests under way are answered.
process.on('SIGINT', () => undefined);
