import type { ModelVariant } from './choices.ts';

/** A model that is published as ONNX, and where. */
export interface KnownModel {
  readonly name: string;
  readonly what: string;
  /** OWNER/NAME on the hub. */
  readonly repository: string;
  readonly revision: string;
  readonly licence: string;
  /**
   * Millions of both halves, from open_clip's docs/model_profile.csv (a SigLIP's, a CLIP's and a LAION model's of the same
   * architecture are equal): 4, 2 or 1 bytes each is about what has to be downloaded.
   */
  readonly parametersM: number;
  /** Length of an embedding. */
  readonly dimension: number;
  /** Paths beside the networks. */
  readonly configs: readonly string[];
  /** Networks of each variant that is published. */
  readonly networks: Readonly<Partial<Record<ModelVariant, readonly string[]>>>;
  /**
   * SHA-256 by path. A file that has none is not pinned yet: the hash of the first download is recorded beside the model.
   * Only to be filled in from the hub itself.
   */
  readonly sha256: Readonly<Record<string, string>>;
}

/** As transformers.js wants them: of a network, three variants. */
const HUB_NETWORKS = {
  fp32: ['onnx/vision_model.onnx', 'onnx/text_model.onnx'],
  fp16: ['onnx/vision_model_fp16.onnx', 'onnx/text_model_fp16.onnx'],
  int8: ['onnx/vision_model_quantized.onnx', 'onnx/text_model_quantized.onnx'],
};
const HUB = {
  revision: 'main',
  configs: ['config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'],
  networks: HUB_NETWORKS,
  sha256: {},
} as const;
/** As immich publishes open_clip's models. */
const OPEN_CLIP = {
  revision: 'main',
  configs: [
    'config.json',
    'visual/preprocess_cfg.json',
    'textual/tokenizer.json',
    'textual/tokenizer_config.json',
  ],
  networks: { fp32: ['visual/model.onnx', 'textual/model.onnx'] },
  sha256: {},
} as const;

/** Licences are those of the trained weights as their authors give them (openai/CLIP, laion and google on the hub). */
export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    ...HUB,
    name: 'clip-vit-base-patch32',
    what: "OpenAI's CLIP ViT-B/32, which LAION-400M was filtered by",
    repository: 'Xenova/clip-vit-base-patch32',
    licence: 'MIT',
    parametersM: 151.28,
    dimension: 512,
  },
  {
    ...HUB,
    name: 'clip-vit-base-patch16',
    what: "OpenAI's CLIP ViT-B/16",
    repository: 'Xenova/clip-vit-base-patch16',
    licence: 'MIT',
    parametersM: 149.62,
    dimension: 512,
  },
  {
    ...HUB,
    name: 'clip-vit-large-patch14',
    what: "OpenAI's CLIP ViT-L/14",
    repository: 'Xenova/clip-vit-large-patch14',
    licence: 'MIT',
    parametersM: 427.62,
    dimension: 768,
  },
  {
    ...OPEN_CLIP,
    name: 'laion2b-vit-b-32',
    what: "open_clip's ViT-B/32, trained on LAION-2B",
    repository: 'immich-app/ViT-B-32__laion2b-s34b-b79k',
    licence: 'MIT',
    parametersM: 151.28,
    dimension: 512,
  },
  {
    ...OPEN_CLIP,
    name: 'laion2b-vit-l-14',
    what: "open_clip's ViT-L/14, trained on LAION-2B",
    repository: 'immich-app/ViT-L-14__laion2b-s32b-b82k',
    licence: 'MIT',
    parametersM: 427.62,
    dimension: 768,
  },
  {
    ...HUB,
    name: 'siglip-base-patch16-224',
    what: "Google's SigLIP ViT-B/16",
    repository: 'Xenova/siglip-base-patch16-224',
    licence: 'Apache-2.0',
    parametersM: 203.16,
    dimension: 768,
  },
  {
    ...OPEN_CLIP,
    name: 'laion5b-xlm-roberta-base-vit-b-32',
    what: "open_clip's multilingual ViT-B/32, trained on LAION-5B",
    repository: 'immich-app/XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k',
    licence: 'MIT',
    parametersM: 366.12,
    dimension: 512,
  },
];
