import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { tokenizerOfBpeFiles, VOCABULARY } from './bpe-files.ts';
import type { ModelVariant } from './choices.ts';
import { invalid } from './invalid.ts';
import { findNetworks, weightFiles } from './layout.ts';
import { openClipPreprocessing, type Preprocessing, parsePreprocessing } from './preprocess.ts';
import { otherForm, TEXT_CONFIG, type TextRules, textRules, textSizes } from './text-config.ts';
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
export interface ModelFolder extends TextRules {
  readonly dir: string;
  readonly name: string;
  readonly dimension: number;
  /** Most tokens of a caption, start and end included. */
  readonly contextLength: number;
  readonly preprocessing: Preprocessing;
  readonly tokenizer: unknown;
  readonly tokenizerConfig: TokenizerConfig;
  readonly variant: ModelVariant;
  /** Paths in `dir`; the same where one network embeds both. */
  readonly vision: string;
  readonly text: string;
  /** What else than `image_embeds` and `text_embeds` an output with embeddings is called. */
  readonly outputs: readonly string[];
  readonly paths: readonly string[];
}

export interface ModelFolderOptions {
  /** @default the first of fp32, fp16 and int8 that is there */
  readonly variant?: ModelVariant | undefined;
}

const COUNT = z.int().min(1);
const CONFIG = z.looseObject({
  model_type: z.string().optional(),
  projection_dim: COUNT.optional(),
  // open_clip's: open_clip_config.json has these in `model_cfg`, config.json of its ONNX exports at the top.
  embed_dim: COUNT.optional(),
  ...TEXT_CONFIG,
});
type Config = z.infer<typeof CONFIG>;

/** transformers writes 10^30 where a tokenizer has no limit. */
const MAX_CONTEXT = 1 << 16;

/**
 * Reads the configuration of a model folder as the hub lays it out: config.json, preprocessor_config.json, tokenizer.json
 * (or CLIP's vocab.json and merges.txt), tokenizer_config.json (optional), and networks ({@link findNetworks}), in onnx/ or
 * beside them. Or as open_clip's models are published as ONNX: its model configuration in config.json,
 * visual/preprocess_cfg.json, and textual/tokenizer.json.
 *
 * @throws GleanerError MODEL_INVALID, naming the file that is missing or not understood.
 */
export async function readModelFolder(
  folder: string,
  { variant }: ModelFolderOptions = {},
): Promise<ModelFolder> {
  const dir = resolve(folder);
  const config = await readJson(dir, 'config.json', (json) => CONFIG.parse(json));
  const openClip = config.embed_dim !== undefined && config.text_cfg !== undefined;
  const pixels = openClip ? 'visual/preprocess_cfg.json' : 'preprocessor_config.json';
  const preprocessing = await readJson(dir, pixels, openClip ? openClipPreprocessing : parsePreprocessing);
  const words = await readTokenizer(dir, openClip ? 'textual/' : '');
  const rules = textRules(dir, config, openClip, words.tokenizerConfig);
  const { dimension, contextLength } = sizesOf(dir, config, words.tokenizerConfig);
  const networks = findNetworks(dir, variant);
  const weights = new Set([networks.vision, networks.text].flatMap((file) => weightFiles(dir, file)));
  return {
    dir,
    name: basename(dir),
    dimension,
    contextLength,
    preprocessing,
    tokenizer: words.tokenizer,
    tokenizerConfig: words.tokenizerConfig,
    ...rules,
    ...networks,
    // open_clip's exports; transformers.js' of SigLIP.
    outputs: openClip ? ['embedding'] : rules.readsPadding ? ['pooler_output'] : [],
    paths: ['config.json', pixels, ...words.paths, ...weights],
  };
}

function sizesOf(
  dir: string,
  config: Config,
  tokenizerConfig: TokenizerConfig,
): Pick<ModelFolder, 'dimension' | 'contextLength'> {
  const { dimension, contextLength = tokenizerConfig.model_max_length } = textSizes(config);
  if (dimension === undefined) throw invalid(dir, 'config.json', 'has no projection_dim');
  if (contextLength == null || contextLength < 2 || contextLength > MAX_CONTEXT)
    throw invalid(
      dir,
      'config.json',
      'has no text_config.max_position_embeddings, nor tokenizer_config.json a limit',
    );
  return { dimension, contextLength };
}

/** tokenizer.json, or what vocab.json and merges.txt come to. */
async function readTokenizer(
  dir: string,
  folder: string,
): Promise<{ tokenizer: unknown; tokenizerConfig: TokenizerConfig; paths: readonly string[] }> {
  const [whole, config] = [`${folder}tokenizer.json`, `${folder}tokenizer_config.json`];
  const [vocab, merges] = [`${folder}vocab.json`, `${folder}merges.txt`];
  const exists = (path: string) => existsSync(join(dir, path));
  const hasConfig = exists(config);
  const tokenizerConfig = hasConfig
    ? await readJson(dir, config, (json) => TOKENIZER_CONFIG.parse(json))
    : {};
  const configPaths = hasConfig ? [config] : [];
  if (exists(whole) || !(exists(vocab) || exists(merges))) {
    if (!exists(whole)) throw invalid(dir, whole, `is missing${otherForm(dir, folder)}`);
    const tokenizer = await readJson(dir, whole, (json) => json);
    return { tokenizer, tokenizerConfig, paths: [whole, ...configPaths] };
  }
  const { tokenizer_class: kind } = tokenizerConfig;
  if (kind && !/^CLIPTokenizer(?:Fast)?$/.test(kind))
    throw invalid(dir, whole, `is missing${otherForm(dir, folder)}`);
  const ids = await readJson(dir, vocab, (json) => VOCABULARY.parse(json));
  const mergesText = await readText(dir, merges);
  try {
    const tokenizer = tokenizerOfBpeFiles(ids, mergesText);
    return { tokenizer, tokenizerConfig, paths: [vocab, merges, ...configPaths] };
  } catch (error) {
    throw invalid(dir, merges, `is not understood (${firstIssue(error)})`, error);
  }
}

/**
 * Name, dimension and checksums of a model, without loading its networks.
 *
 * @throws GleanerError MODEL_INVALID
 */
export async function identifyModel(dir: string, options: ModelFolderOptions = {}): Promise<ModelIdentity> {
  return identify(await readModelFolder(dir, options));
}

export async function identify({ dir, name, dimension, paths }: ModelFolder): Promise<ModelIdentity> {
  const files: Record<string, string> = {};
  for (const path of paths)
    try {
      files[path] = await sha256(join(dir, path));
    } catch (error) {
      throw invalid(dir, path, 'cannot be read', error);
    }
  return { name, dimension, files };
}

/** SHA-256 of a file. One buffer is read into again and again: fresh ones for 600 MB cost more than hashing them. */
async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(1 << 18);
    for (;;) {
      const { bytesRead } = await file.read(buffer);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function readJson<T>(dir: string, file: string, parse: (json: unknown) => T): Promise<T> {
  const text = await readText(dir, file);
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    throw invalid(dir, file, `is not understood (${firstIssue(error)})`, error);
  }
}

async function readText(dir: string, file: string): Promise<string> {
  try {
    return await readFile(join(dir, file), 'utf8');
  } catch (error) {
    throw invalid(dir, file, existsSync(dir) ? 'is missing' : 'no such folder', error);
  }
}

function firstIssue(error: unknown): string {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    return `${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'wrong'}`;
  }
  return error instanceof SyntaxError ? 'not JSON' : String(error instanceof Error ? error.message : error);
}

/** Bytes of a file of the model, for messages. */
export async function fileSize(dir: string, file: string): Promise<number> {
  return (await stat(join(dir, file))).size;
}
