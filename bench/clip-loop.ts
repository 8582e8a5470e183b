import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { readModelFolder } from '../src/clip/model-files.ts';
import { toPixelValues } from '../src/clip/preprocess.ts';
import { createTokenizer } from '../src/clip/tokenizer.ts';
import { readWebdataset } from '../src/formats/index.ts';

/**
 * onnxruntime-node alone over tensors that are ready: what no tool can be faster than. Captions of the tar in its order,
 * tokenised before, 32 at a time and padded to the longest of them; images are noise, whose values cost the same.
 *
 *     node bench/clip-loop.ts MODEL TAR BATCH → {"pairs", "images", "texts"}, the last two in CPU-seconds
 */
const [model = '', tar = '', size = '32'] = process.argv.slice(2);
const batch = Number(size);
const folder = await readModelFolder(model);
const tokenizer = createTokenizer(folder.tokenizer, folder.tokenizerConfig, folder.contextLength);
const captions: (readonly number[])[] = [];
for await (const { files } of readWebdataset(createReadStream(tar)))
  captions.push(tokenizer.encode(new TextDecoder().decode(files.get('txt')?.bytes ?? new Uint8Array())));

const { cropWidth: width, cropHeight: height } = folder.preprocessing;
const noise = Array.from({ length: batch }, (_, n) => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => ((i + n) * 2_654_435_761) >>> 24);
  return { data, width, height, cropped: true } as const;
});
const values = Float32Array.from(noise.flatMap((crop) => [...toPixelValues(crop, folder.preprocessing)]));
const pixels = new ort.Tensor('float32', values, [batch, 3, height, width]);
const ids = Array.from({ length: Math.ceil(captions.length / batch) }, (_, n) => {
  const some = captions.slice(n * batch, (n + 1) * batch);
  const longest = Math.max(...some.map(({ length }) => length));
  const values = new BigInt64Array(some.length * longest).fill(BigInt(tokenizer.padId));
  for (const [row, caption] of some.entries()) values.set(caption.map(BigInt), row * longest);
  return new ort.Tensor('int64', values, [some.length, longest]);
});

const vision = await open(folder.vision);
const images = await cpuSeconds(ids, () => vision.run({ pixel_values: pixels }, ['image_embeds']));
const text = await open(folder.text);
const texts = await cpuSeconds(ids, (input_ids) => text.run({ input_ids }, ['text_embeds']));
process.stdout.write(`${JSON.stringify({ pairs: captions.length, images, texts })}\n`);

function open(file: string): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(join(folder.dir, file), { intraOpNumThreads: 1, interOpNumThreads: 1 });
}

/** Of all batches; the first is run once before. */
async function cpuSeconds(batches: readonly ort.Tensor[], run: (batch: ort.Tensor) => Promise<unknown>) {
  if (batches[0]) await run(batches[0]);
  const began = process.cpuUsage();
  for (const one of batches) await run(one);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}
