/** What was trained as a model folder that gleaner reads: the layout of the Hugging Face hub for transformers.js. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DYNAMIC, Graph, type Parameters } from '../autodiff/index.ts';
import type { BpeEncoder } from '../train-embedded/bpe.ts';
import { SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG, tokenizerJson } from '../train-embedded/tokenizer-files.ts';
import { CONTEXT } from './captions.ts';
import { imageTower, type Size, textTower } from './model.ts';

const WHAT = 'A small CLIP, trained from scratch on one release of gleaner.';

/** ONNX: pixel_values float32 [n, 3, side, side], -1 to 1 → image_embeds [n, dimension], of length 1 */
export function imageModel(parameters: Parameters, size: Size): Uint8Array {
  const graph = new Graph('image', parameters, true);
  const pixels = graph.input('pixel_values', [DYNAMIC, 3, size.side, size.side]);
  graph.output('image_embeds', imageTower(pixels, size));
  return graph.toModel(WHAT);
}

/** ONNX: input_ids and attention_mask int64 [n, CONTEXT] → text_embeds [n, dimension], of length 1 */
export function textModel(parameters: Parameters, tokens: number, size: Size): Uint8Array {
  const graph = new Graph('text', parameters, true);
  const ids = graph.input('input_ids', [DYNAMIC, CONTEXT], 'int64');
  const mask = graph.input('attention_mask', [DYNAMIC, CONTEXT], 'int64');
  graph.output('text_embeds', textTower(ids, mask, tokens, size));
  return graph.toModel(WHAT);
}

const toJson = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/** Writes the folder; files of the same names are overwritten. docs/formats.md says what each is for. */
export function writeModelFolder(
  folder: string,
  { parameters, encoder, size }: { parameters: Parameters; encoder: BpeEncoder; size: Size },
): void {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
  const { side, dimension } = size;
  write('onnx/vision_model.onnx', imageModel(parameters, size));
  write('onnx/text_model.onnx', textModel(parameters, encoder.size, size));
  write('tokenizer.json', JSON.stringify(tokenizerJson(encoder)));
  write('tokenizer_config.json', toJson({ ...TOKENIZER_CONFIG, model_max_length: CONTEXT }));
  write('special_tokens_map.json', toJson(SPECIAL_TOKENS_MAP));
  write(
    'preprocessor_config.json',
    toJson({
      ...{ image_processor_type: 'CLIPImageProcessor', do_convert_rgb: true },
      ...{ do_resize: true, size: { shortest_edge: side }, resample: 3 }, // bicubic, by Pillow's number
      ...{ do_center_crop: true, crop_size: { height: side, width: side } },
      ...{ do_rescale: true, rescale_factor: 1 / 255 },
      ...{ do_normalize: true, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
    }),
  );
  write(
    'config.json',
    toJson({
      ...{ _description: WHAT, model_type: 'clip', architectures: ['CLIPModel'] },
      projection_dim: dimension,
      logit_scale_init_value: Number(parameters.get('logScale').value[0]!.toFixed(4)),
      text_config: {
        model_type: 'clip_text_model',
        ...{ vocab_size: encoder.size, hidden_size: size.textWidth, projection_dim: dimension },
        max_position_embeddings: CONTEXT,
        ...{ bos_token_id: encoder.startId, eos_token_id: encoder.endId, pad_token_id: encoder.endId },
      },
      vision_config: {
        model_type: 'clip_vision_model',
        ...{
          image_size: side,
          patch_size: 4,
          num_channels: 3,
          hidden_size: size.width,
          projection_dim: dimension,
        },
      },
    }),
  );
}
