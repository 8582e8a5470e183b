/** Writes the model folder as the Hugging Face hub lays out a CLIP for transformers.js. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type BpeEncoder, CONTEXT_LENGTH } from './bpe.ts';
import type { IconSet } from './drawings.ts';
import type { Measures } from './evaluate.ts';
import type { Encoder } from './export.ts';
import { modelCard } from './model-card.ts';
import { IMAGE_SIZE, PATCH } from './patches.ts';
import type { Recipe } from './recipe.ts';
import { SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG, tokenizerJson } from './tokenizer-files.ts';

/** What `metrics.json` holds: the recipe and every figure of the model card. */
export interface Metrics {
  readonly recipe: Recipe;
  readonly training: {
    readonly drawings: number;
    readonly heldOutConcepts: number;
    /** Of features, training and measuring, without the control; features come from the cache if they are in it. */
    readonly cpuSeconds: number;
  };
  /** On the style never trained on, by the exported graphs run by onnxruntime-node. */
  readonly test: TestFigures;
  /** The same training with captions dealt out at random among the emoji: what chance and leaks would give. */
  readonly control: TestFigures | null;
  /** The same training from other seeds: other filters, held-out concepts, weights and batches. */
  readonly otherSeeds: readonly (TestFigures & { readonly seed: number })[];
  /** The same training without one of its styles, measured on that style: a style with no sibling in training. */
  readonly leftOut: readonly (TestFigures & { readonly set: IconSet })[];
}

/** Figures on pictures with varied and with white backgrounds. */
export interface TestFigures {
  readonly varied: Measures;
  readonly white: Measures;
}

export interface ModelParts {
  readonly vision: Uint8Array;
  readonly text: Uint8Array;
  readonly encoder: BpeEncoder;
  readonly trained: Encoder;
  readonly metrics: Metrics;
}

/** `preprocessor_config.json`: CLIP's steps, at 64 pixels and with pixel values left at 0..1. */
const PREPROCESSOR_CONFIG = {
  image_processor_type: 'CLIPImageProcessor',
  feature_extractor_type: 'CLIPFeatureExtractor',
  do_convert_rgb: true,
  do_resize: true,
  size: { shortest_edge: IMAGE_SIZE },
  resample: 3, // bicubic, by Pillow's number
  do_center_crop: true,
  crop_size: { height: IMAGE_SIZE, width: IMAGE_SIZE },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0, 0, 0],
  image_std: [1, 1, 1],
};

/** `config.json`: what code that loads a CLIP reads. `_description` says what it is. */
function configJson({ encoder, trained }: ModelParts): object {
  const { dims } = trained.shape;
  const ids = { bos_token_id: encoder.startId, eos_token_id: encoder.endId, pad_token_id: encoder.endId };
  return {
    _name_or_path: 'gleaner-mini',
    _description: 'A small contrastive encoder that knows emoji, with the interface of a CLIP. Not CLIP.',
    model_type: 'clip',
    architectures: ['CLIPModel'],
    projection_dim: dims,
    logit_scale_init_value: Number(trained.head.get('logScale').value[0]!.toFixed(4)),
    text_config: {
      model_type: 'clip_text_model',
      vocab_size: encoder.size,
      hidden_size: dims,
      projection_dim: dims,
      max_position_embeddings: CONTEXT_LENGTH,
      ...ids,
    },
    vision_config: {
      model_type: 'clip_vision_model',
      image_size: IMAGE_SIZE,
      patch_size: PATCH,
      num_channels: 3,
      hidden_size: dims,
      projection_dim: dims,
    },
  };
}

const toJson = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/** The figures of a model folder, or null if it has none yet. */
export function readMetrics(folder: URL): Metrics | null {
  const file = new URL('metrics.json', folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Metrics) : null;
}

/** Writes `metrics.json` and the model card, which shows them. */
export function writeMetrics(folder: URL, metrics: Metrics): void {
  writeFileSync(new URL('metrics.json', folder), toJson(metrics));
  writeFileSync(new URL('README.md', folder), modelCard(metrics));
}

/** @param folder - Ends with '/'. Files of the same names are overwritten. */
export function writeModelFolder(folder: URL, parts: ModelParts): void {
  mkdirSync(new URL('onnx/', folder), { recursive: true });
  const write = (name: string, content: string | Uint8Array) => writeFileSync(new URL(name, folder), content);
  write('onnx/vision_model.onnx', parts.vision);
  write('onnx/text_model.onnx', parts.text);
  write('tokenizer.json', JSON.stringify(tokenizerJson(parts.encoder)));
  write('tokenizer_config.json', toJson(TOKENIZER_CONFIG));
  write('special_tokens_map.json', toJson(SPECIAL_TOKENS_MAP));
  write('preprocessor_config.json', toJson(PREPROCESSOR_CONFIG));
  write('config.json', toJson(configJson(parts)));
  writeMetrics(folder, parts.metrics);
}
