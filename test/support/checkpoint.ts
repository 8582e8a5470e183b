import { createHash } from 'node:crypto';
import { readSafetensors } from '../../examples/autodiff/safetensors.ts';

/**
 * What a training left behind, but for the time it took: weights and moments as digests, since what differs of a hundred
 * thousand numbers takes hours to print.
 */
export function checkpointOf(path: string): { readonly meta: unknown; readonly arrays: unknown } {
  const { arrays, metadata } = readSafetensors(path);
  const { seconds: _, ...meta } = JSON.parse(metadata.gleaner ?? '{}');
  const digests = [...arrays].map(([name, { shape, value }]) => {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return [name, shape, createHash('sha256').update(bytes).digest('hex')];
  });
  return { meta, arrays: digests };
}
