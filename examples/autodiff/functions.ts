/** Operators of neural networks that are more than arithmetic, with their gradients. */
import type { Tensor } from './tensor.ts';

/** x · σ(1.702 x): the GELU of OpenAI's CLIP (Hendrycks and Gimpel 2016, section 2). */
export function quickGelu(x: Tensor): Tensor {
  const open = x.mul(1.702).sigmoid();
  const y = x.mul(open);
  // By hand: five passes over memory instead of nine, and passes are what it costs.
  return x.graph.custom([x], y, (dy) => [y.sub(y.mul(open)).mul(1.702).add(open).mul(dy)]);
}

/** Rows over their Euclidean length, [..., n]. A small term keeps a row of zeros finite. */
export function normalize(x: Tensor): Tensor {
  return x.div(x.square().sum(-1).add(1e-12).sqrt());
}

const EPSILON = 1e-5;

/** Layer normalisation over the last axis (Ba, Kiros and Hinton 2016). scale, bias: [n] */
export function layerNorm(x: Tensor, scale: Tensor, bias: Tensor): Tensor {
  const { graph, shape } = x;
  const moments = { shape: shape.with(-1, 1) };
  const attributes = { axis: -1, epsilon: { float: EPSILON } };
  const [y, mean, inverse]: Tensor[] = graph.nodes(
    'LayerNormalization',
    [x, scale, bias],
    [{ shape, attributes }, moments, moments],
    (dy) => {
      const standard = x.sub(mean!.stop()).mul(inverse!.stop());
      const byStandard = dy.mul(scale);
      const centred = byStandard.sub(byStandard.mean(-1));
      const byX = centred.sub(standard.mul(byStandard.mul(standard).mean(-1))).mul(inverse!);
      return [byX, dy.mul(standard).sumTo(scale.shape), dy.sumTo(bias.shape)];
    },
  );
  return y!;
}

/** Rows of a table: [rows, n] by int64 [...] → [..., n] */
export function gather(table: Tensor, ids: Tensor): Tensor {
  const { graph } = table;
  const [rows, width] = table.shape as readonly [number, number];
  return graph.node('Gather', [table, ids], { shape: [...ids.shape, width] }, (dy) => {
    const zeros = graph.scalar(0).expand([rows, width]);
    const [places, updates] = [ids.reshape([-1, 1]), dy.reshape([-1, width])];
    const attributes = { reduction: { string: 'add' } };
    return [graph.node('ScatterND', [zeros, places, updates], { shape: table.shape, attributes }), undefined];
  });
}

/** 1 at each row's label, else 0: int64 [n] → float32 [n, count]. */
export function oneHot(labels: Tensor, count: number): Tensor {
  const { graph } = labels;
  const constants = [graph.builder.ints(count), graph.builder.floats([2], [0, 1])];
  return graph.node('OneHot', [labels], { shape: [...labels.shape, count], constants });
}

/** Negative log-likelihood of each row's label, in nats: logits [n, classes], labels int64 [n] → [n] */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const [rows, classes] = logits.shape as readonly [number, number];
  const { graph } = logits;
  const logP = logits.logSoftmax();
  const picking = { shape: [rows, 1], attributes: { axis: 1 } };
  const picked = graph.node('GatherElements', [logP, labels.reshape([rows, 1])], picking);
  // By way of the picked elements the gradient would be scattered; it is softmax − label.
  return graph.custom([logits], picked.reshape([rows]).neg(), (dy) => [
    logP
      .exp()
      .sub(oneHot(labels, classes))
      .mul(dy.reshape([rows, 1])),
  ]);
}

/** What a convolution needs beside its input and its kernel. */
export interface ConvOptions {
  /** Pixels from one place of the kernel to the next. @default 1 */
  readonly stride?: number;
  /** Zeros around the input, in pixels. @default 0 */
  readonly padding?: number;
}

/** x [n, in, h, w], kernel [out, in, k, k] → [n, out, h', w'] */
export function conv2d(x: Tensor, kernel: Tensor, { stride = 1, padding = 0 }: ConvOptions = {}): Tensor {
  const { graph } = x;
  const [n, , h, w] = x.shape as readonly [number, number, number, number];
  const [out, , k] = kernel.shape as readonly [number, number, number];
  const outSide = (side: number) => Math.floor((side + 2 * padding - k) / stride) + 1;
  const pads = [padding, padding, padding, padding];
  const attributes = { strides: [stride, stride], pads };
  return graph.node('Conv', [x, kernel], { shape: [n, out, outSide(h), outSide(w)], attributes }, (dy) => {
    const left = [h, w].map((side) => side + 2 * padding - k - (outSide(side) - 1) * stride);
    const byX = graph.node('ConvTranspose', [dy, kernel], {
      shape: x.shape,
      attributes: { ...attributes, output_padding: left },
    });
    // The batch takes the place of the channels: what each of the input's channels does to each of the output's.
    const swap = [1, 0, 2, 3];
    const byKernel = graph.node('Conv', [x.transpose(swap), dy.transpose(swap)], {
      shape: [kernel.shape[1]!, out, k + left[0]!, k + left[1]!],
      attributes: { dilations: [stride, stride], pads },
    });
    return [byX, byKernel.slice(2, 0, k).slice(3, 0, k).transpose(swap)];
  });
}
