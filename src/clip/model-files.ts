import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { type Preprocessing, parsePreprocessing } from './preprocess.ts';
import { TOKENIZER_CONFIG, type TokenizerConfig } from './tokenizer.ts';

/** A model by content: what has to be equal for two embeddings to be comparable. */
export interface ModelIdentity {
  /** Name of the folder. */
  readonly name: string;
  /** Length of an embedding. */
  readonly dimension: number;
  /** SHA-256, lower-case hexadecimal, of every file that has a say, by path in the folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** What a model folder holds, read and understood, before any network is loaded. */
export interface ModelFolder {
  readonly dir: string;
  readonly name: string;
  readonly dimension: number;
  /** Most tokens of a caption, start and end included. */
  readonly contextLength: number;
  readonly preprocessing: Preprocessing;
  readonly tokenizer: unknown;
  readonly tokenizerConfig: TokenizerConfig;
  /** Whether a token sees only those before it (CLIP), so that padding may be left out. */
  readonly causal: boolean;
  /** Paths in `dir`. */
  readonly vision: string;
  readonly text: string;
  readonly paths: readonly string[];
}

const COUNT = z.int().min(1);
const CONFIG = z.looseObject({
  model_type: z.string().optional(),
  projection_dim: COUNT.optional(),
  text_config: z
    .looseObject({ max_position_embeddings: COUNT.min(2).optional(), projection_dim: COUNT.optional() })
    .optional(),
});

/** transformers writes 10^30 where a tokenizer has no limit. */
const MAX_CONTEXT = 1 << 16;

/** A GleanerError MODEL_INVALID about one file of a model. */
export function invalid(dir: string, file: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('MODEL_INVALID', { path: join(dir, file), problem }, { cause });
}

/**
 * Reads the configuration of a model folder as the hub lays it out: config.json, preprocessor_config.json,
 * tokenizer.json, tokenizer_config.json (optional), and vision_model.onnx and text_model.onnx, in onnx/ or beside
 * them.
 *
 * @throws GleanerError MODEL_INVALID, naming the file that is missing or not understood.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const dir = resolve(folder);
  const read = <T>(file: string, parse: (json: unknown) => T) => readJson(dir, file, parse);
  const config = await read('config.json', (json) => CONFIG.parse(json));
  const preprocessing = await read('preprocessor_config.json', parsePreprocessing);
  const tokenizer = await read('tokenizer.json', (json) => json);
  const hasTokenizerConfig = existsSync(join(dir, 'tokenizer_config.json'));
  const tokenizerConfig = hasTokenizerConfig
    ? await read('tokenizer_config.json', (json) => TOKENIZER_CONFIG.parse(json))
    : {};
  const dimension = config.projection_dim ?? config.text_config?.projection_dim;
  if (dimension === undefined) throw invalid(dir, 'config.json', 'has no projection_dim');
  const contextLength = config.text_config?.max_position_embeddings ?? tokenizerConfig.model_max_length;
  if (contextLength == null || contextLength < 2 || contextLength > MAX_CONTEXT)
    throw invalid(
      dir,
      'config.json',
      'has no text_config.max_position_embeddings, nor tokenizer_config.json a limit',
    );
  const [vision, text] = [findOnnx(dir, 'vision_model.onnx'), findOnnx(dir, 'text_model.onnx')];
  const weights = [vision, text].flatMap((file) => [
    file,
    ...[`${file}_data`].filter((f) => existsSync(join(dir, f))),
  ]);
  return {
    dir,
    name: basename(dir),
    dimension,
    contextLength,
    preprocessing,
    tokenizer,
    tokenizerConfig,
    causal: config.model_type === 'clip',
    vision,
    text,
    paths: [
      'config.json',
      'preprocessor_config.json',
      'tokenizer.json',
      ...(hasTokenizerConfig ? ['tokenizer_config.json'] : []),
      ...weights,
    ],
  };
}

/**
 * Name, dimension and checksums of a model, without loading its networks.
 *
 * @throws GleanerError MODEL_INVALID
 */
export async function identifyModel(dir: string): Promise<ModelIdentity> {
  return identify(await readModelFolder(dir));
}

export async function identify({ dir, name, dimension, paths }: ModelFolder): Promise<ModelIdentity> {
  const files: Record<string, string> = {};
  for (const path of paths) {
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream(join(dir, path))) hash.update(chunk);
    } catch (error) {
      throw invalid(dir, path, 'cannot be read', error);
    }
    files[path] = hash.digest('hex');
  }
  return { name, dimension, files };
}

async function readJson<T>(dir: string, file: string, parse: (json: unknown) => T): Promise<T> {
  let text: string;
  try {
    text = await readFile(join(dir, file), 'utf8');
  } catch (error) {
    throw invalid(dir, file, existsSync(dir) ? 'is missing' : 'no such folder', error);
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    throw invalid(dir, file, `is not understood (${firstIssue(error)})`, error);
  }
}

function firstIssue(error: unknown): string {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    return `${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'wrong'}`;
  }
  return error instanceof SyntaxError ? 'not JSON' : String(error instanceof Error ? error.message : error);
}

function findOnnx(dir: string, file: string): string {
  const path = [`onnx/${file}`, file].find((candidate) => existsSync(join(dir, candidate)));
  if (path === undefined) throw invalid(dir, `onnx/${file}`, 'is missing');
  return path;
}

/** Bytes of a file of the model, for messages. */
export async function fileSize(dir: string, file: string): Promise<number> {
  return (await stat(join(dir, file))).size;
}
