import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelVariant, VARIANTS } from './choices.ts';
import { invalid } from './invalid.ts';

/** What optimum and transformers.js put behind a network's name (transformers.js, DEFAULT_DTYPE_SUFFIX_MAPPING). */
const SUFFIXES: Readonly<Record<ModelVariant, readonly string[]>> = {
  fp32: [''],
  fp16: ['_fp16'],
  int8: ['_quantized', '_int8'],
};

/** Where the networks of a folder lie. `vision` and `text` are the same file where one network does both. */
export interface Networks {
  readonly variant: ModelVariant;
  /** Paths in the folder. */
  readonly vision: string;
  readonly text: string;
}

/** Pairs of networks by what comes before a variant's suffix; one network comes last, since it runs both halves each time. */
const PLACES: readonly (readonly [vision: string, text: string])[] = [
  ['onnx/vision_model', 'onnx/text_model'],
  ['vision_model', 'text_model'],
  // open_clip's models as they are published for immich.
  ['visual/model', 'textual/model'],
  ['onnx/model', 'onnx/model'],
  ['model', 'model'],
];

/**
 * Finds the networks of a model folder.
 *
 * @param wanted the variant to take; without it the first of fp32, fp16 and int8 that is there whole
 * @throws GleanerError MODEL_INVALID, naming the file that is missing
 */
export function findNetworks(dir: string, wanted?: ModelVariant): Networks {
  const exists = (path: string) => existsSync(join(dir, path));
  const found: Networks[] = [];
  for (const variant of VARIANTS)
    for (const [visionStem, textStem] of PLACES)
      for (const suffix of SUFFIXES[variant]) {
        const [vision, text] = [`${visionStem}${suffix}.onnx`, `${textStem}${suffix}.onnx`];
        if (exists(vision) && exists(text)) found.push({ variant, vision, text });
      }
  const taken = wanted === undefined ? found[0] : found.find(({ variant }) => variant === wanted);
  if (taken) return taken;
  const suffix = SUFFIXES[wanted ?? 'fp32'][0];
  const others = [...new Set(found.map(({ variant }) => variant))];
  const hint = others.length > 0 ? ` (there is ${others.join(' and ')})` : '';
  for (const [visionStem, textStem] of PLACES) {
    const [vision, text] = [`${visionStem}${suffix}.onnx`, `${textStem}${suffix}.onnx`];
    if (exists(vision)) throw invalid(dir, text, `is missing${hint}`);
    if (exists(text)) throw invalid(dir, vision, `is missing${hint}`);
  }
  throw invalid(dir, `onnx/vision_model${suffix}.onnx`, `is missing${hint}`);
}

/** Files with the weights of a network, the network first: what is larger than 2 GB lies beside it. */
export function weightFiles(dir: string, network: string): readonly string[] {
  const beside = [`${network}_data`, ...Array.from({ length: 8 }, (_, i) => `${network}_data_${i + 1}`)];
  return [network, ...beside.filter((path) => existsSync(join(dir, path)))];
}
