/** Runs an exported encoder: the model folder or two models in memory. */
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import * as ort from 'onnxruntime-node';
import { floatsOf, floatTensor, openSession } from '../autodiff/runtime.ts';
import type { Embedder } from './evaluate.ts';
import { IMAGE_SIZE } from './patches.ts';

const BATCH = 64;

/** Rows padded to the longest, and which of them are real. */
function padded(rows: readonly (readonly number[])[]): { ids: ort.Tensor; mask: ort.Tensor } {
  const length = Math.max(...rows.map((row) => row.length));
  const ids = new BigInt64Array(rows.length * length);
  const mask = new BigInt64Array(rows.length * length);
  rows.forEach((row, r) => {
    row.forEach((id, i) => {
      ids[r * length + i] = BigInt(id);
      mask[r * length + i] = 1n;
    });
  });
  const dims = [rows.length, length];
  return { ids: new ort.Tensor('int64', ids, dims), mask: new ort.Tensor('int64', mask, dims) };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Opens both halves.
 *
 * @param vision - Bytes or path of the vision model.
 * @param tokenize - Token ids of a text, start and end included.
 */
export async function openEmbedder(
  vision: Uint8Array | string,
  text: Uint8Array | string,
  tokenize: (text: string) => readonly number[],
  dims: number,
): Promise<Embedder> {
  const [visionSession, textSession] = [await openSession(vision), await openSession(text)];
  const values = 3 * IMAGE_SIZE ** 2;
  return {
    dims,
    async images(pixels) {
      const parts: Float32Array[] = [];
      for (let from = 0; from < pixels.length; from += BATCH * values) {
        const part = pixels.subarray(from, from + BATCH * values);
        const batch = floatTensor(part, part.length / values, 3, IMAGE_SIZE, IMAGE_SIZE);
        parts.push(floatsOf((await visionSession.run({ pixel_values: batch })).image_embeds));
      }
      return joined(parts);
    },
    async texts(texts) {
      const parts: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += BATCH) {
        const { ids, mask } = padded(texts.slice(from, from + BATCH).map(tokenize));
        const output = await textSession.run({ input_ids: ids, attention_mask: mask });
        parts.push(floatsOf(output.text_embeds));
      }
      return joined(parts);
    },
  };
}

/** Opens a model folder as any user of it would: onnxruntime and Hugging Face's tokenizer. */
export async function openModelFolder(folder: URL): Promise<Embedder> {
  const json = (name: string) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const bytes = (name: string) => readFileSync(new URL(`onnx/${name}.onnx`, folder));
  const tokenize = (text: string) => tokenizer.encode(text).ids;
  const dims: number = json('config.json').projection_dim;
  return openEmbedder(bytes('vision_model'), bytes('text_model'), tokenize, dims);
}
