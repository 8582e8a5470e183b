import {
  ONNX_TYPE,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxTensor,
  replaceInitializers,
} from '../formats/index.ts';

/** Places of the inputs of MatMulInteger (ONNX operators, MatMulInteger-10): A, B, a_zero_point, b_zero_point. */
const WEIGHTS = 1;
const ZERO_POINT = 3;
/** What tells a byte from its signed twin, four times: 0 to 255 becomes -128 to 127. */
const SIGNS = 0x80_80_80_80;

/**
 * Writes the unsigned weights of integer matrix products as signed ones: weight and zero point less 128 each. Their difference
 * is what is multiplied, so every product is the same number; but onnxruntime multiplies unsigned by signed bytes with the
 * instructions made for that (VNNI, AMX), and unsigned by unsigned ones not: an image of ViT-B/32 takes 17 instead of 64 CPU-ms
 * (docs/benchmarks.md). Exporters write unsigned weights where a network also holds a convolution, whose operator
 * takes no others.
 *
 * @param network the whole file, of which `graph` was read
 * @returns undefined where there is nothing to change
 */
export function withSignedWeights(network: Uint8Array, graph: OnnxGraph): Uint8Array | undefined {
  const constants = new Map<string, OnnxConstant>();
  const taken = signable(graph);
  if (taken.size === 0) return undefined;
  for (const name of taken) {
    const tensor = graph.initializers.get(name);
    const bytes = tensor && valuesOf(network, tensor);
    if (!bytes) return undefined;
    constants.set(name, {
      dims: tensor.dims,
      dataType: ONNX_TYPE.int8,
      bytes: toSigned(bytes),
    });
  }
  return replaceInitializers(network, graph, constants);
}

/**
 * Weights and zero points that can become signed: unsigned constants that nothing but integer matrix products reads, each
 * weight with its zero point and each zero point with all its weights.
 */
function signable({ nodes, initializers }: OnnxGraph): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const { opType, inputs } of nodes) {
    if (opType !== 'MatMulInteger') continue;
    const pair = [inputs[WEIGHTS] ?? '', inputs[ZERO_POINT] ?? ''];
    if (pair.every((name) => initializers.get(name)?.dataType === ONNX_TYPE.uint8))
      for (const name of pair) taken.add(name);
  }
  // Whoever reads one of them otherwise keeps it as it is, and so its partners, until nobody objects.
  for (let before = -1; before !== taken.size; ) {
    before = taken.size;
    for (const { opType, inputs } of nodes) {
      const read = inputs.filter((name) => taken.has(name));
      const whole =
        opType === 'MatMulInteger' &&
        read.length === 2 &&
        inputs[WEIGHTS] === read[0] &&
        inputs[ZERO_POINT] === read[1];
      if (read.length > 0 && !whole) for (const name of read) taken.delete(name);
    }
  }
  return taken;
}

function toSigned(bytes: Uint8Array): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  const signed = new Uint8Array(words.buffer, 0, bytes.length);
  signed.set(bytes);
  for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) ^ SIGNS;
  return signed;
}

/** The bytes of an unsigned tensor, however they are written; undefined where they lie in another file. */
function valuesOf(network: Uint8Array, { raw, ints, dims }: OnnxTensor): Uint8Array | undefined {
  if (raw) return network.subarray(raw.start, raw.end);
  const count = dims.reduce((product, size) => product * size, 1);
  return ints.length === count ? Uint8Array.from(ints) : undefined;
}
