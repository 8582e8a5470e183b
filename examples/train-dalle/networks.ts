/** The trained networks, forward, for any number of rows. */
import { DYNAMIC, Graph, gather, openForward, type Parameters } from '../autodiff/index.ts';
import {
  codebook,
  codesOf,
  decode,
  encode,
  likelihoods,
  nearestCodes,
  type TransformerSize,
  type VqSize,
} from './model.ts';

/** Most rows that go through at once: memory grows with it. */
const ROWS = 32;

/** From pictures to codes and back. Letters: n pictures, s their side, I codes of one. */
export interface Vq extends AsyncDisposable {
  /** [n, 3, s, s], -1 to 1 → [n, I] */
  encode(pixels: Float32Array): Promise<BigInt64Array>;
  /** [n, I] → [n, 3, s, s] */
  decode(codes: BigInt64Array): Promise<Float32Array>;
}

export async function openVq(parameters: Parameters, size: VqSize): Promise<Vq> {
  const toCodes = new Graph('encoder', parameters, true);
  const pixels = toCodes.input('pixels', [DYNAMIC, 3, size.side, size.side]);
  toCodes.output('codes', nearestCodes(encode(pixels, size), codebook(toCodes, size)));
  const toPixels = new Graph('decoder', parameters, true);
  const codes = toPixels.input('codes', [DYNAMIC, codesOf(size)], 'int64');
  toPixels.output('pixels', decode(gather(codebook(toPixels, size), codes), size));
  const [encoder, decoder] = [await openForward(toCodes.toModel()), await openForward(toPixels.toModel())];
  const [pixelsEach, codesEach] = [3 * size.side ** 2, codesOf(size)];
  return {
    async encode(all) {
      const found = new BigInt64Array((all.length / pixelsEach) * codesEach);
      for (let row = 0; row * pixelsEach < all.length; row += ROWS) {
        const part = all.subarray(row * pixelsEach, (row + ROWS) * pixelsEach);
        found.set(integers((await encoder.run({ pixels: part })).codes), row * codesEach);
      }
      return found;
    },
    async decode(all) {
      const found = new Float32Array((all.length / codesEach) * pixelsEach);
      for (let row = 0; row * codesEach < all.length; row += ROWS) {
        const part = all.subarray(row * codesEach, (row + ROWS) * codesEach);
        found.set(floats((await decoder.run({ codes: part })).pixels), row * pixelsEach);
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      await encoder.close();
      await decoder.close();
    },
  };
}

/** What the transformer makes of pictures with captions, with the weights as they are when it is asked. */
export interface Likelihood extends AsyncDisposable {
  /** text [n, T], codes [n, I] → mean nats of a code */
  nats(text: BigInt64Array, codes: BigInt64Array): Promise<number>;
}

export async function openLikelihood(parameters: Parameters, size: TransformerSize): Promise<Likelihood> {
  const graph = new Graph('likelihood', parameters);
  graph.output('nats', likelihoods(graph, DYNAMIC, size).codes);
  const weights = Object.fromEntries(
    [...graph.parameters.keys()].map((name) => [name, parameters.get(name).value]),
  );
  const forward = await openForward(graph.toModel());
  const { textTokens: T, imageTokens: I } = size;
  return {
    async nats(text, codes) {
      let sum = 0;
      for (let row = 0; row * I < codes.length; row += ROWS) {
        const feeds = {
          text: text.subarray(row * T, (row + ROWS) * T),
          codes: codes.subarray(row * I, (row + ROWS) * I),
        };
        sum += floats((await forward.run({ ...weights, ...feeds })).nats).reduce((a, b) => a + b, 0);
      }
      return sum / codes.length;
    },
    [Symbol.asyncDispose]: () => forward.close(),
  };
}

export function floats(values: Float32Array | BigInt64Array | undefined): Float32Array {
  if (values instanceof Float32Array) return values;
  throw new TypeError('expected float32');
}

export function integers(values: Float32Array | BigInt64Array | undefined): BigInt64Array {
  if (values instanceof BigInt64Array) return values;
  throw new TypeError('expected int64');
}
