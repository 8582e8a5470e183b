/**
 * The two networks of a DALL-E (Ramesh et al. 2021), by their shapes: an autoencoder that writes pictures as codes, and a
 * transformer that foresees the codes of a picture from its caption.
 */
import {
  causalMask,
  concat,
  conv2d,
  crossEntropy,
  type Graph,
  gather,
  layerNorm,
  linear,
  normal,
  normalize,
  quickGelu,
  type Tensor,
  transformer,
  zeros,
} from '../autodiff/index.ts';

/* The autoencoder: pictures become a small square of codes and come back (van den Oord et al. 2017, VQ-VAE). A code is the
   nearest of a codebook by direction, in few dimensions, so that many of them come to be used (Yu et al. 2022, ViT-VQGAN,
   section 3.2). Letters: n pictures, s their side, t = s / 8, d dimensions of a code. */

export interface VqSize {
  /** Side of a picture in pixels; a code stands for 8 × 8 of them. */
  readonly side: number;
  /** Channels where a place is 2 × 2 pixels; twice as many at 4 × 4, four times at 8 × 8. */
  readonly width: number;
  /** Codes of the codebook. */
  readonly codes: number;
  /** Dimensions of a code. */
  readonly dims: number;
}

/** Pixels along each side of what one code stands for. */
export const PATCH = 8;
/** Weight of what draws latents to their codes (van den Oord et al. 2017, section 3.2). */
const COMMITMENT = 0.25;
/** The codebook's weight: [codes, dims]. */
export const CODEBOOK = 'vq.codebook.weight';

/** Codes of a picture. */
export const codesOf = ({ side }: VqSize): number => (side / PATCH) ** 2;

/** x [n, in, h, w] → [n, out, h, w], kernels of k × k */
function conv(x: Tensor, name: string, out: number, k: 1 | 3, gain = 2): Tensor {
  const inputs = x.shape[1]!;
  const kernel = x.graph.parameter(
    `${name}.weight`,
    [out, inputs, k, k],
    normal(Math.sqrt(gain / (inputs * k * k))),
  );
  const bias = x.graph.parameter(`${name}.bias`, [out, 1, 1], zeros);
  return conv2d(x, kernel, { padding: (k - 1) / 2 }).add(bias);
}

/** x [n, c, h, w] → the same; begins near x itself */
function residual(x: Tensor, name: string): Tensor {
  const channels = x.shape[1]!;
  const inner = conv(x.relu(), `${name}.0`, channels, 3);
  return x.add(conv(inner.relu(), `${name}.1`, channels, 3, 0.05));
}

/** Blocks of b × b pixels become channels: [n, c, h, w] → [n, c·b², h/b, w/b] */
export function toDepth(x: Tensor, b: number): Tensor {
  const [n, c, h, w] = x.shape as readonly [number, number, number, number];
  const blocks = x.reshape([n, c, h / b, b, w / b, b]).transpose([0, 1, 3, 5, 2, 4]);
  return blocks.reshape([n, c * b * b, h / b, w / b]);
}

/** And back: [n, c·b², h, w] → [n, c, h·b, w·b] */
export function toSpace(x: Tensor, b: number): Tensor {
  const [n, c, h, w] = x.shape as readonly [number, number, number, number];
  const blocks = x.reshape([n, c / (b * b), b, b, h, w]).transpose([0, 1, 4, 2, 5, 3]);
  return blocks.reshape([n, c / (b * b), h * b, w * b]);
}

/** pixels [n, 3, s, s] in -1..1 → latents [n·t², d] of length 1 */
export function encode(pixels: Tensor, { width, dims }: VqSize): Tensor {
  let x = toDepth(pixels, 4); // [n, 48, s/4, s/4]
  x = residual(conv(x, 'vq.encoder.in', 2 * width, 3), 'vq.encoder.fine'); // [n, 2 w, s/4, s/4]
  x = conv(toDepth(x, 2), 'vq.encoder.down', 4 * width, 1); // [n, 4 w, t, t]
  x = conv(residual(x, 'vq.encoder.coarse'), 'vq.encoder.out', dims, 1, 1); // [n, d, t, t]
  return normalize(x.transpose([0, 2, 3, 1]).reshape([-1, dims]));
}

/** codes' vectors [n·t², d] → pixels [n, 3, s, s] */
export function decode(vectors: Tensor, { side, width, dims }: VqSize): Tensor {
  const t = side / PATCH;
  let x = vectors.reshape([-1, t, t, dims]).transpose([0, 3, 1, 2]); // [n, d, t, t]
  x = conv(x, 'vq.decoder.in', 4 * width, 1, 1);
  x = residual(residual(x, 'vq.decoder.coarse.0'), 'vq.decoder.coarse.1'); // [n, 4 w, t, t]
  x = toSpace(conv(x, 'vq.decoder.up.0', 8 * width, 1), 2); // [n, 2 w, s/4, s/4]
  x = residual(x, 'vq.decoder.middle');
  x = toSpace(conv(x, 'vq.decoder.up.1', 4 * width, 1), 2); // [n, w, s/2, s/2]
  x = residual(x, 'vq.decoder.fine');
  return toSpace(conv(x.relu(), 'vq.decoder.out', 12, 3, 1), 2); // [n, 3, s, s]
}

/** The codebook, each code of length 1: [codes, d] */
export function codebook(graph: Graph, { codes, dims }: VqSize): Tensor {
  return normalize(graph.parameter(CODEBOOK, [codes, dims], normal(1)));
}

/** latents [m, d], codebook [codes, d] → the nearest code of each, int64 [m] */
export function nearestCodes(latents: Tensor, book: Tensor): Tensor {
  return latents.matMul(book.transposed()).argMax();
}

/** The loss of one batch. Outputs: codes int64 [n·t²], latents [n·t², d], mse []. */
export function vqLoss(graph: Graph, n: number, size: VqSize) {
  const pixels = graph.input('pixels', [n, 3, size.side, size.side]);
  const latents = encode(pixels, size);
  const book = codebook(graph, size);
  const codes = nearestCodes(latents.stop(), book.stop());
  const vectors = gather(book, codes); // [n·t², d]
  // Straight through: forward the code's vector, backward as if it were the latent itself.
  const quantized = graph.custom([latents], vectors, (dy) => [dy]);
  const error = decode(quantized, size).sub(pixels);
  const mse = error.square().meanAll();
  const codebookLoss = vectors.sub(latents.stop()).square().sum(1).meanAll();
  const commitment = latents.sub(vectors.stop()).square().sum(1).meanAll();
  const loss = mse.add(error.abs().meanAll()).add(codebookLoss).add(commitment.mul(COMMITMENT));
  return { loss, outputs: { codes, latents, mse: mse.reshape([1]) } };
}

/* The transformer: a caption, then the codes of its picture, each token foreseen from those before it. Letters: T text
   tokens, I codes of a picture, L = T + I − 1, w width. */

export interface TransformerSize {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** T: tokens of a caption, start and end included. */
  readonly textTokens: number;
  /** Kinds of them. */
  readonly vocabulary: number;
  /** I: codes of a picture. */
  readonly imageTokens: number;
  /** Kinds of them. */
  readonly codes: number;
}

const DEVIATION = 0.02; // of new embeddings, as GPT-2's

/** Embeddings of text tokens [vocabulary, w], of codes [codes, w], of places [L, w]. */
function tables(graph: Graph, { vocabulary, codes, width, textTokens, imageTokens }: TransformerSize) {
  const table = (name: string, rows: number) =>
    graph.parameter(`gpt.${name}.weight`, [rows, width], normal(DEVIATION));
  return {
    text: table('text', vocabulary),
    codes: table('codes', codes),
    places: table('places', textTokens + imageTokens - 1),
  };
}

/** x [..., w] → logits of the code that comes next [..., codes] */
const codeLogits = (x: Tensor, { codes }: TransformerSize): Tensor => linear(x, 'gpt.next_code', codes);

/** Nats of each token but the first: text [n·(T − 1)], codes [n·I]. Inputs: text [n, T], codes [n, I], int64. */
export function likelihoods(graph: Graph, n: number, size: TransformerSize) {
  const { textTokens: T, imageTokens: I, width: w } = size;
  const text = graph.input('text', [n, T], 'int64');
  const codes = graph.input('codes', [n, I], 'int64');
  const table = tables(graph, size);
  const L = T + I - 1; // the last code is only foreseen
  const tokens = concat([gather(table.text, text), gather(table.codes, codes.slice(1, 0, I - 1))], 1);
  const x = tokens.add(table.places); // [n, L, w]
  const y = transformer(x, 'gpt', { ...size, mask: causalMask(x, L) }); // [n, L, w]
  const beforeText = y.slice(1, 0, T - 1).reshape([-1, w]);
  const beforeCodes = y.slice(1, T - 1, L).reshape([-1, w]);
  const textLogits = linear(beforeText, 'gpt.next_text', size.vocabulary);
  return {
    text: crossEntropy(textLogits, text.slice(1, 1, T).reshape([-1])),
    codes: crossEntropy(codeLogits(beforeCodes, size), codes.reshape([-1])),
  };
}

/** DALL-E's weights of the losses (section 2.2): a code's is seven times a text token's. */
const TEXT_SHARE = 1 / 8;

/**
 * The loss of one batch. Inputs: those of `likelihoods`, and weights [n, T − 1]: 1 where a token of the caption is
 * to be foreseen, 0 in its padding and where the caption is left out. Outputs: `natsOfCodes` and `natsOfText`, means, [1].
 */
export function transformerLoss(graph: Graph, n: number, size: TransformerSize) {
  const weights = graph.input('weights', [n, size.textTokens - 1]).reshape([-1]);
  const nats = likelihoods(graph, n, size);
  const text = nats.text.mul(weights).sumAll().div(weights.sumAll().add(1e-6));
  const codes = nats.codes.meanAll();
  const loss = text.mul(TEXT_SHARE).add(codes.mul(1 - TEXT_SHARE));
  return { loss, outputs: { natsOfCodes: codes.reshape([1]), natsOfText: text.reshape([1]) } };
}

/**
 * One step of writing: the token at one place, given keys and values of those before it. Inputs: token int64 [n] (a
 * code is `vocabulary` + code), place int64 [1], hidden [1, 1, 1, L + 1] (0 for places that are written and for the last, the
 * token itself; else a large negative number), and for each layer `keys.i`, `values.i` [n, heads, L, w / heads].
 * Outputs: logits [n, codes] of what comes next, and for each layer `key.i`, `value.i` [n, heads, 1, w / heads].
 */
export function writingStep(graph: Graph, n: number, size: TransformerSize): void {
  const { layers, heads, width, textTokens, imageTokens } = size;
  const [L, perHead] = [textTokens + imageTokens - 1, width / heads];
  const table = tables(graph, size);
  const token = gather(concat([table.text, table.codes], 0), graph.input('token', [n], 'int64')); // [n, w]
  const hidden = graph.input('hidden', [1, 1, 1, L + 1]);
  let x = token.add(gather(table.places, graph.input('place', [1], 'int64'))).reshape([n, 1, width]);
  for (let i = 0; i < layers; i++) {
    const block = `gpt.blocks.${i}`;
    const y = layerNorm(x, `${block}.norm1`);
    const part = (which: string) =>
      linear(y, `${block}.attention.${which}`, width).reshape([n, heads, 1, perHead]);
    const [query, key, value] = [part('query'), part('key'), part('value')];
    graph.output(`key.${i}`, key);
    graph.output(`value.${i}`, value);
    const keys = concat([graph.input(`keys.${i}`, [n, heads, L, perHead]), key], 2);
    const values = concat([graph.input(`values.${i}`, [n, heads, L, perHead]), value], 2);
    const weights = query
      .mul(1 / Math.sqrt(perHead))
      .matMul(keys.transposed())
      .add(hidden)
      .softmax();
    const mixed = weights.matMul(values).reshape([n, 1, width]);
    x = x.add(linear(mixed, `${block}.attention.out`, width));
    const inner = quickGelu(linear(layerNorm(x, `${block}.norm2`), `${block}.mlp.in`, 4 * width));
    x = x.add(linear(inner, `${block}.mlp.out`, width));
  }
  graph.output('logits', codeLogits(layerNorm(x, 'gpt.norm'), size).reshape([n, size.codes]));
}
