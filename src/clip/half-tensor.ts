import * as ort from 'onnxruntime-node';

/**
 * A tensor of float16, by the bits of its numbers. Where Node has Float16Array, onnxruntime-common 1.30 makes one of the bits,
 * which onnxruntime-node 1.30 cannot read ("not enough space: expected 48, got 0"): it is shown the bits.
 */
export function halfTensor(bits: Uint16Array, shape: readonly number[]): ort.Tensor {
  return Object.defineProperty(new ort.Tensor('float16', bits, shape), 'data', { value: bits });
}
