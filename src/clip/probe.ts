/**
 * Runs a network of one node on one execution provider, in a process of its own: a driver that cannot be loaded may print
 * what it likes, or crash. Exit status 0: it works. Else the last line of standard output says why not.
 */
import * as ort from 'onnxruntime-node';

/**
 * ModelProto, IR version 8, opset 13 (onnx.proto): y = Relu(x), float32 of shape [1]. Byte by byte: 08 08 IR version; 3a 33 graph
 * with 0a 0c the node (x, y, "Relu"), 12 01 its name, 5a 0f input x, 62 0f output y; 42 04 opset.
 */
const RELU = Buffer.from(
  '0808' +
    '3a33' +
    '0a0c0a0178120179220452656c75120167' +
    '5a0f0a0178120a0a08080112040a020801' +
    '620f0a0179120a0a08080112040a020801' +
    '4202100d',
  'hex',
);

const provider = process.argv[2] ?? '';
try {
  const session = await ort.InferenceSession.create(RELU, { executionProviders: [provider] });
  const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(-1), [1]) });
  if (y?.data[0] !== 0) throw new Error('it computes wrongly');
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  // The message may begin with a line of source code; what failed stands behind the last ' was false. '.
  process.stdout.write(
    text
      .replaceAll(/\s+/g, ' ')
      .replace(/^.* was false\. /, '')
      .slice(0, 160),
  );
  process.exitCode = 1;
}
