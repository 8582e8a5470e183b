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
  readonly dimension: number;
  /** recall@10 that was asked for. */
  readonly targetRecall: number;
  /** Whether both kinds of queries reach it in both indices. */
  readonly reached: boolean;
  /** Whose embeddings are searched. */
  readonly image: VectorCertificate;
  readonly text: VectorCertificate;
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
    node: process.version,
  };
}
