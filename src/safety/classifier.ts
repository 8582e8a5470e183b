import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';
import {
  type CroppedImage,
  cropForModel,
  type Preprocessing,
  parsePreprocessing,
  pixelCount,
  toPixelValues,
} from '../clip/preprocess.ts';
import { GleanerError, type Nsfw, type RgbImage } from '../schema/index.ts';

const SHARE = z.number().min(0).max(1);
const CONFIG = z.strictObject({
  name: z.string().min(1),
  version: z.string().min(1),
  /** Where the network is from. */
  source: z.string().min(1),
  /** SPDX identifier. */
  licence: z.string().min(1),
  /** One for each number that the network gives. */
  labels: z.array(z.string().regex(/^\S+$/, 'has white space in it')).nonempty(),
  /** What makes scores of these numbers; none: they are scores. */
  activation: z.enum(['softmax', 'sigmoid', 'none']),
  /** The picture by this folder's preprocessor_config.json, or the crop that the CLIP model sees, with its pixel values. */
  input: z.enum(['picture', 'clip-crop']).default('picture'),
  /** What a label means at which score: this score or more. */
  rules: z
    .array(
      z.strictObject({
        label: z.string(),
        threshold: SHARE,
        effect: z.enum(['NSFW', 'UNSURE', 'tag', 'drop']),
      }),
    )
    .nonempty(),
});

/** What a classifier says of a picture. */
export interface Findings {
  /** The gravest of the classes that its rules give. */
  readonly nsfw: Nsfw;
  /** Labels that are noted, in the order of the rules. */
  readonly tags: readonly string[];
  /** The first label that the picture is dropped for, with its score; null where there is none. */
  readonly drop: string | null;
}

/** A network that gives a score for each of some labels. */
export interface ImageClassifier {
  readonly name: string;
  /** What is kept of a picture until it is classified. @param crop of the same picture, as the CLIP model sees it */
  prepare(image: RgbImage, crop: RgbImage): RgbImage;
  /** @param prepared as `prepare` gives it. @throws GleanerError CLASSIFIER_INVALID where the network's scores are none */
  classify(prepared: RgbImage): Promise<Findings>;
  close(): Promise<void>;
}

/** Files that decide about a classifier's scores, by path in its folder. */
export function classifierFiles(folder: string): readonly string[] {
  const names = ['config.json', 'preprocessor_config.json', 'model.onnx', 'model.onnx_data'];
  return names.filter((name) => name !== 'model.onnx_data' || existsSync(join(folder, name)));
}

/**
 * Loads a classifier: a folder with config.json (docs/formats.md), preprocessor_config.json as transformers writes it, and
 * model.onnx, which takes one float32 input [n, 3, height, width] and gives [n, labels]. Pictures are classified one by
 * one, so that none has a say in another's scores.
 *
 * @param thresholds in place of the folder's own, by label
 * @throws GleanerError CLASSIFIER_INVALID that names the file
 */
export async function loadClassifier(
  folder: string,
  thresholds: Readonly<Record<string, number>> = {},
): Promise<ImageClassifier> {
  const dir = resolve(folder);
  const { name, labels, activation, input, rules } = await readJson(dir, 'config.json', (json) =>
    CONFIG.parse(json),
  );
  const known = (label: string) => labels.includes(label);
  const unknown = [...rules.map(({ label }) => label), ...Object.keys(thresholds)].find(
    (label) => !known(label),
  );
  if (unknown !== undefined) throw invalid(dir, 'config.json', `has no label '${unknown}'`);
  const idle = Object.keys(thresholds).find((label) => !rules.some((rule) => rule.label === label));
  if (idle !== undefined) throw invalid(dir, 'config.json', `has no rule for the label '${idle}'`);
  const preprocessing = await readJson(dir, 'preprocessor_config.json', parsePreprocessing);
  const session = await openSession(dir, preprocessing, labels.length);
  const [inputName = '', outputName = ''] = [session.inputNames[0], session.outputNames[0]];
  const { cropWidth, cropHeight } = preprocessing;
  /** Serves one picture after the other: new memory costs more than what is written into it. */
  const values = new Float32Array(pixelCount(preprocessing));
  let before: Promise<unknown> = Promise.resolve();

  async function run(crop: CroppedImage): Promise<ort.Tensor | undefined> {
    toPixelValues(crop, preprocessing, values);
    const pixels = new ort.Tensor('float32', values, [1, 3, cropHeight, cropWidth]);
    return (await session.run({ [inputName]: pixels }))[outputName];
  }

  return {
    name,
    prepare(image, crop) {
      if (input === 'picture') return cropForModel(image, preprocessing);
      if (crop.width !== cropWidth || crop.height !== cropHeight)
        throw invalid(
          dir,
          'preprocessor_config.json',
          `wants crops of ${cropWidth} x ${cropHeight}, but the CLIP model sees ${crop.width} x ${crop.height}`,
        );
      return crop;
    },
    async classify(prepared) {
      const running = before.then(() => run({ ...prepared, cropped: true }));
      before = running.catch(() => undefined);
      const numbers = (await running)?.data;
      if (
        !(numbers instanceof Float32Array) ||
        numbers.length !== labels.length ||
        numbers.some((v) => !Number.isFinite(v))
      )
        throw invalid(dir, 'model.onnx', `gives no ${labels.length} finite numbers (float32) for a picture`);
      const scores = scoresOf(numbers, activation);
      const met = rules.filter(
        ({ label, threshold }) => (scores[labels.indexOf(label)] ?? 0) >= (thresholds[label] ?? threshold),
      );
      const dropping = met.find(({ effect }) => effect === 'drop');
      const has = (effect: string) => met.some((rule) => rule.effect === effect);
      return {
        nsfw: has('NSFW') ? 'NSFW' : has('UNSURE') ? 'UNSURE' : 'UNLIKELY',
        tags: met.filter(({ effect }) => effect === 'tag').map(({ label }) => label),
        drop: dropping
          ? `${name}: ${dropping.label} ${(scores[labels.indexOf(dropping.label)] ?? 0).toFixed(4)}`
          : null,
      };
    },
    close: () => session.release(),
  };
}

/** Numbers to scores, in double precision. */
export function scoresOf(
  values: Float32Array,
  activation: 'softmax' | 'sigmoid' | 'none',
): readonly number[] {
  const numbers = Array.from(values);
  if (activation === 'none') return numbers;
  if (activation === 'sigmoid') return numbers.map((v) => 1 / (1 + Math.exp(-v)));
  // Less the greatest, so that no power overflows.
  const greatest = Math.max(...numbers);
  const powers = numbers.map((v) => Math.exp(v - greatest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

async function openSession(
  dir: string,
  { cropWidth, cropHeight }: Preprocessing,
  labels: number,
): Promise<ort.InferenceSession> {
  const fail = (problem: string, cause?: unknown) => invalid(dir, 'model.onnx', problem, cause);
  const path = join(dir, 'model.onnx');
  if (!existsSync(path)) throw fail('is missing');
  // One thread: workers run side by side, and sums do not depend on how many cores there are.
  const session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  }).catch((cause: unknown) => {
    throw fail('is not an ONNX network that can be loaded, or is cut off', cause);
  });
  const [input, ...more] = session.inputMetadata;
  const pixels = [3, cropHeight, cropWidth];
  if (!input?.isTensor || more.length > 0 || input.type !== 'float32' || input.shape.length !== 4)
    throw fail('does not take one float32 input of 4 dimensions, the pixels');
  if (pixels.some((size, i) => differs(input.shape[i + 1], size)))
    throw fail(
      `takes pixels of ${input.shape.join(' x ')}, but preprocessor_config.json gives ${pixels.join(' x ')}`,
    );
  const [output, ...others] = session.outputMetadata;
  if (!output?.isTensor || others.length > 0) throw fail('does not give one tensor, the scores');
  if (differs(output.shape.at(-1), labels))
    throw fail(`gives ${output.shape.at(-1)} numbers, but config.json has ${labels} labels`);
  return session;
}

/** Whether a dimension that a network fixes is another one; symbolic ones are texts, or below 0. */
function differs(fixed: number | string | undefined, size: number): boolean {
  return typeof fixed === 'number' && fixed > 0 && fixed !== size;
}

async function readJson<T>(dir: string, file: string, read: (json: unknown) => T): Promise<T> {
  const path = join(dir, file);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw invalid(dir, file, existsSync(dir) ? 'is missing' : 'no such folder', cause);
  });
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    const issue = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const what = issue
      ? `${issue.path.join('.')}: ${issue.message}`
      : cause instanceof Error
        ? cause.message
        : '';
    throw invalid(dir, file, `is not understood (${what})`, cause);
  }
}

function invalid(dir: string, file: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('CLASSIFIER_INVALID', { path: join(dir, file), problem }, { cause });
}
