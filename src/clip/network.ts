import { readFile } from 'node:fs/promises';
import { readOnnx } from '../formats/index.ts';
import { openFile } from '../storage/index.ts';
import type { Provider } from './choices.ts';
import { multipliesSignedExactly } from './integer-products.ts';
import { withSignedWeights } from './signed-weights.ts';

/** A network as onnxruntime is given it. */
export interface Network {
  /** Its path; or the whole of it, where it is not run as it was published. */
  readonly network: string | Uint8Array;
  /**
   * Whether it rounds what it computes to whole numbers as it runs: by the least and the greatest value of all rows together,
   * so that each row has a say in what becomes of the others.
   */
  readonly quantizes: boolean;
}

/** Of ONNX, DynamicQuantizeLinear; of onnxruntime, DynamicQuantizeMatMul and DynamicQuantizeLSTM. */
const QUANTIZES = /^DynamicQuantize/;

/**
 * Reads what a network consists of, and prepares it for this processor.
 *
 * @throws GleanerError FILE_NOT_FOUND; DAMAGED where it is no ONNX network
 */
export async function readNetwork(path: string, provider: Provider): Promise<Network> {
  const source = await openFile(path);
  try {
    const graph = await readOnnx(source, path);
    const quantizes = [...graph.opTypes].some((name) => QUANTIZES.test(name));
    // Where weights lie in files beside it, onnxruntime has to know the path.
    const mayChange = provider === 'cpu' && process.arch === 'x64' && graph.opTypes.has('MatMulInteger');
    if (!mayChange || !(await multipliesSignedExactly())) return { network: path, quantizes };
    return { network: withSignedWeights(await readFile(path), graph) ?? path, quantizes };
  } finally {
    await source.close();
  }
}
