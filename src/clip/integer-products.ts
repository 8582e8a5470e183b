import * as ort from 'onnxruntime-node';

/**
 * ModelProto, IR version 8, opset 13 (onnx.proto): y = MatMulInteger(a, b), of uint8 [8, 64] and int8 [64, 16]. 0a 18 the node;
 * 12 01 the graph's name; 5a 13 the inputs; 62 13 the output.
 */
const PRODUCT = Buffer.from(
  '0808' +
    '3a5c' +
    '0a180a01610a016212017922' +
    `0d${Buffer.from('MatMulInteger').toString('hex')}` +
    '120167' +
    '5a130a0161120e0a0c080212080a0208080a020840' +
    '5a130a0162120e0a0c080312080a0208400a020810' +
    '62130a0179120e0a0c080612080a0208080a020810' +
    '4202100d',
  'hex',
);

let exact: Promise<boolean> | undefined;

/**
 * Whether onnxruntime multiplies unsigned by signed bytes exactly on this processor. Without VNNI or AMX it adds products in
 * pairs of 16 bits, which overflow (docs of its `session.x64quantprecision`); the greatest values there are tell.
 */
export function multipliesSignedExactly(): Promise<boolean> {
  exact ??= multiply();
  return exact;
}

async function multiply(): Promise<boolean> {
  const session = await ort.InferenceSession.create(PRODUCT, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  try {
    const a = new ort.Tensor('uint8', new Uint8Array(8 * 64).fill(255), [8, 64]);
    const b = new ort.Tensor('int8', new Int8Array(64 * 16).fill(127), [64, 16]);
    const { y } = await session.run({ a, b });
    return y?.data instanceof Int32Array && y.data.every((sum) => sum === 64 * 255 * 127);
  } finally {
    await session.release();
  }
}
