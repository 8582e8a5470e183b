import { GLEANER_VERSION } from '../config/index.ts';
import type { Storage } from '../storage/index.ts';
import type { IndexedVectors, VectorCertificate, VectorKind } from './index-vectors.ts';

/** recall@10 that indices are tuned to where nobody says otherwise: nineteen of twenty true neighbours. */
export const TARGET_RECALL = 0.95;

/**
 * DIR/index/recall.json: how much of the truth searches of an index find, by exact search over all rows for a sample of
 * queries of both kinds. Text queries are the harder ones among images: they lie apart from them.
 */
export interface IndexCertificate {
  readonly version: 1;
  readonly made: string;
  readonly rows: number;
  /** Rows that were added since it was measured, of later releases: nothing was measured with them. */
  readonly added?: number;
  readonly dimension: number;
  /** recall@10 that was asked for. */
  readonly targetRecall: number;
  /** Whether both kinds of queries reach it in both indices. */
  readonly reached: boolean;
  /** Whose embeddings are searched. */
  readonly image: VectorCertificate;
  readonly text: VectorCertificate;
  /** Versions of what made it. */
  readonly gleaner: string;
  readonly node: string;
}

export function certify(
  { image, text }: Readonly<Record<VectorKind, IndexedVectors>>,
  facts: Pick<IndexCertificate, 'rows' | 'dimension' | 'targetRecall'>,
): IndexCertificate {
  const certificates = [image.certificate, text.certificate];
  const worst = Math.min(
    ...certificates.flatMap(({ queries }) => [queries.image.recall[10], queries.text.recall[10]]),
  );
  return {
    version: 1,
    made: new Date().toISOString(),
    ...facts,
    reached: worst >= facts.targetRecall,
    image: image.certificate,
    text: text.certificate,
    gleaner: GLEANER_VERSION,
    node: process.version,
  };
}

/** Writes into a certificate that rows were added since it was measured. */
export async function noteAdded(storage: Storage, path: string, rows: number): Promise<void> {
  if ((await storage.size(path)) === undefined) return;
  const certificate: IndexCertificate = JSON.parse(new TextDecoder().decode(await storage.read(path)));
  const now: IndexCertificate = { ...certificate, added: (certificate.added ?? 0) + rows };
  await storage.put(path, `${JSON.stringify(now, null, 2)}\n`);
}
