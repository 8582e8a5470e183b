/**
 * A model folder whose networks are written byte by byte and so simple that every number can be worked out by hand:
 * the vision network flattens its pixels, [b, 3, 2, 2] → [b, 12]; the text network casts its ids, [b, 12] → [b, 12].
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Protocol buffers: a field of bytes, of text, or a whole number. */
export function field(number: number, value: Uint8Array | string | number): Uint8Array {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

const concat = (...parts: Uint8Array[]) => Buffer.concat(parts);

const FLOAT = 1;
const INT64 = 7;
const FLOAT16 = 10;

/** ValueInfoProto: a name, an element type, dimensions (text: symbolic). */
export function value(name: string, type: number, dims: readonly (number | string)[]): Uint8Array {
  const shape = concat(...dims.map((d) => field(1, typeof d === 'number' ? field(1, d) : field(2, d))));
  return concat(field(1, name), field(2, field(1, concat(field(1, type), field(2, shape)))));
}

/** ModelProto of a chain of nodes (onnx.proto of ONNX 1.12, opset 17). */
function network(
  nodes: readonly Uint8Array[],
  inputs: readonly Uint8Array[],
  ...outputs: readonly Uint8Array[]
): Uint8Array {
  const graph = concat(
    ...nodes.map((node) => field(1, node)),
    field(2, 'tiny'),
    ...inputs.map((input) => field(11, input)),
    ...outputs.map((output) => field(12, output)),
  );
  return concat(field(1, 8), field(7, graph), field(8, concat(field(1, ''), field(2, 17))));
}

export interface TinyOptions {
  readonly dimension?: number;
  readonly imageSize?: number;
  readonly imageOutput?: string;
  readonly textInput?: string;
  /** The text network multiplies its ids by an attention_mask first. @default false */
  readonly masked?: boolean;
  /** The vision network rounds to 256 steps between the least and the greatest value of a whole batch. @default false */
  readonly quantized?: boolean;
  /** Rows that the vision network takes; a text: any number. @default 'batch' */
  readonly rows?: number | string;
}

export function tinyVision({
  dimension = 12,
  imageSize = 2,
  imageOutput = 'image_embeds',
  quantized = false,
  rows = 'batch',
}: TinyOptions = {}): Uint8Array {
  const flat = quantized ? 'flat' : imageOutput;
  const steps = ['steps', 'scale', 'zero'];
  const quantize = concat(
    field(1, flat),
    ...steps.map((s) => field(2, s)),
    field(4, 'DynamicQuantizeLinear'),
  );
  const back = concat(...steps.map((s) => field(1, s)), field(2, imageOutput), field(4, 'DequantizeLinear'));
  const flatten = concat(field(1, 'pixel_values'), field(2, flat), field(4, 'Flatten'));
  return network(
    quantized ? [flatten, quantize, back] : [flatten],
    [value('pixel_values', FLOAT, [rows, 3, imageSize, imageSize])],
    value(imageOutput, FLOAT, [rows, dimension]),
  );
}

export function tinyText({
  dimension = 12,
  textInput = 'input_ids',
  masked = false,
}: TinyOptions = {}): Uint8Array {
  const toFloat = concat(field(1, 'to'), field(3, FLOAT), field(20, 2));
  const names = masked ? [textInput, 'attention_mask'] : [textInput];
  const mul = concat(...names.map((name) => field(1, name)), field(2, 'ids'), field(4, 'Mul'));
  const cast = concat(
    field(1, masked ? 'ids' : textInput),
    field(2, 'text_embeds'),
    field(4, 'Cast'),
    field(5, toFloat),
  );
  return network(
    masked ? [mul, cast] : [cast],
    names.map((name) => value(name, INT64, ['batch', dimension])),
    value('text_embeds', FLOAT, ['batch', dimension]),
  );
}

/** Both halves in one network, as optimum's model.onnx, which has more outputs than are asked for. */
export function tinyJoint(): Uint8Array {
  const toFloat = concat(field(1, 'to'), field(3, FLOAT), field(20, 2));
  return network(
    [
      concat(field(1, 'pixel_values'), field(2, 'image_embeds'), field(4, 'Flatten')),
      concat(field(1, 'input_ids'), field(2, 'text_embeds'), field(4, 'Cast'), field(5, toFloat)),
      concat(field(1, 'attention_mask'), field(2, 'mask'), field(4, 'Identity')),
    ],
    [
      value('input_ids', INT64, ['text_batch_size', 12]),
      value('pixel_values', FLOAT, ['image_batch_size', 3, 2, 2]),
      value('attention_mask', INT64, ['text_batch_size', 12]),
    ],
    value('mask', INT64, ['text_batch_size', 12]),
    value('text_embeds', FLOAT, ['text_batch_size', 12]),
    value('image_embeds', FLOAT, ['image_batch_size', 12]),
  );
}

/** A vision network of halves: what it takes and what it gives are float16. */
export function tinyHalves(): Uint8Array {
  return network(
    [concat(field(1, 'pixel_values'), field(2, 'image_embeds'), field(4, 'Flatten'))],
    [value('pixel_values', FLOAT16, ['batch', 3, 2, 2])],
    value('image_embeds', FLOAT16, ['batch', 12]),
  );
}

/** A vision network of one node with this operator, of a domain of operators or ONNX's own. */
export function tinyOperator(operator: string, domain = ''): Uint8Array {
  return network(
    [concat(field(1, 'pixel_values'), field(2, 'image_embeds'), field(4, operator), field(7, domain))],
    [value('pixel_values', FLOAT, ['batch', 3, 2, 2])],
    value('image_embeds', FLOAT, ['batch', 12]),
  );
}

/** A vision network whose weights lie in a file beside it (TensorProto.external_data). */
export function tinyExternal(location: string): Uint8Array {
  const entry = (key: string, text: string) => field(13, concat(field(1, key), field(2, text)));
  const weights = concat(
    field(1, 12),
    field(2, FLOAT),
    field(8, 'weights'),
    entry('location', location),
    entry('offset', '0'),
    entry('length', '48'),
    field(14, 1),
  );
  const graph = concat(
    field(1, concat(field(1, 'pixel_values'), field(2, 'flat'), field(4, 'Flatten'))),
    field(1, concat(field(1, 'flat'), field(1, 'weights'), field(2, 'image_embeds'), field(4, 'Mul'))),
    field(2, 'tiny'),
    field(5, weights),
    field(11, value('pixel_values', FLOAT, ['batch', 3, 2, 2])),
    field(12, value('image_embeds', FLOAT, ['batch', 12])),
  );
  return concat(field(1, 8), field(7, graph), field(8, concat(field(1, ''), field(2, 17))));
}

/** Letters, `ca` and `cat</w>`, and the two special tokens, in the form of CLIP's tokenizer.json. */
export const TINY_TOKENIZER = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [
    {
      id: 60,
      content: '<|startoftext|>',
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    },
    {
      id: 61,
      content: '<|endoftext|>',
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    },
  ],
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      {
        type: 'Split',
        pattern: { Regex: '[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+' },
        behavior: 'Removed',
        invert: true,
      },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
    ],
  },
  post_processor: {
    type: 'RobertaProcessing',
    sep: ['<|endoftext|>', 61],
    cls: ['<|startoftext|>', 60],
    trim_offsets: false,
    add_prefix_space: false,
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: '<|endoftext|>',
    continuing_subword_prefix: '',
    end_of_word_suffix: '</w>',
    fuse_unk: false,
    // a-z are 0 to 25, a</w> to z</w> 26 to 51.
    vocab: Object.fromEntries([
      ...[...'abcdefghijklmnopqrstuvwxyz'].flatMap((c, i) => [
        [c, i] as const,
        [`${c}</w>`, 26 + i] as const,
      ]),
      ['ca', 52] as const,
      ['cat</w>', 53] as const,
      ['<', 54] as const,
      ['|', 55] as const,
      ['|</w>', 56] as const,
      ['>', 57] as const,
      ['>/w', 58] as const,
      ['&</w>', 59] as const,
      ['<|startoftext|>', 60] as const,
      ['<|endoftext|>', 61] as const,
      ['<|</w>', 62] as const,
      ['|></w>', 63] as const,
      ['></w>', 64] as const,
    ]),
    merges: ['c a', 'ca t</w>', '< |</w>', '| ></w>'],
  },
};

export const TINY_CONFIG = {
  model_type: 'clip',
  projection_dim: 12,
  text_config: { max_position_embeddings: 12 },
};
export const TINY_PREPROCESSOR = {
  size: { shortest_edge: 2 },
  crop_size: { height: 2, width: 2 },
  resample: 4,
  image_mean: [0, 0.5, 0],
  image_std: [1, 0.5, 1],
};
export const TINY_TOKENIZER_CONFIG = {
  tokenizer_class: 'CLIPTokenizer',
  eos_token: { content: '<|endoftext|>' },
  pad_token: '!',
};

/** Writes the model; `changes` replaces files by name, null leaves one out. */
export function writeTinyModel(dir: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const files: Record<string, unknown> = {
    'config.json': TINY_CONFIG,
    'preprocessor_config.json': TINY_PREPROCESSOR,
    'tokenizer.json': TINY_TOKENIZER,
    'tokenizer_config.json': TINY_TOKENIZER_CONFIG,
    'onnx/vision_model.onnx': tinyVision(),
    'onnx/text_model.onnx': tinyText(),
    ...changes,
  };
  for (const [name, content] of Object.entries(files)) {
    if (content === null) continue;
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), raw ? content : JSON.stringify(content));
  }
  return dir;
}
