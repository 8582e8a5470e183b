/** What came of a training: samples on a sheet, figures, curves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClipModel, loadClip } from '../../src/clip/index.ts';
import { curvesSvg } from '../autodiff/curves.ts';
import { Rng, seedOf, type Trainer } from '../autodiff/index.ts';
import {
  backgroundColour,
  type ColourCaption,
  parseCaption,
  recombine,
  type SeenCaption,
} from './captions.ts';
import { heldOut, type OpenPictures } from './data.ts';
import { type Captioned, dot, measureFollowing, rows } from './following.ts';
import { drawGrid, type GridRow } from './grid.ts';
import type { TransformerSize } from './model.ts';
import { openLikelihood, openVq, type Vq } from './networks.ts';
import { cut, psnr, toRgb } from './pictures.ts';
import type { Recipe } from './recipe.ts';
import type { CaptionTokens } from './text.ts';
import { Writer } from './writer.ts';

export interface Trained {
  /** Folder for what is written. */
  readonly out: string;
  readonly recipe: Recipe;
  /** Folder of the CLIP that ranks. */
  readonly model: string;
  /** Pictures are written for these; none: `captionsOf` finds some. */
  readonly captions: readonly string[];
  readonly say: (line: string) => void;
  readonly open: OpenPictures;
  /** Of the training split. */
  readonly trainCaptions: readonly SeenCaption[];
  readonly tokens: CaptionTokens;
  readonly size: TransformerSize;
  readonly vqTrainer: Trainer;
  readonly transformerTrainer: Trainer;
}

/** Writes samples.png, figures.json, autoencoder.svg and transformer.svg, and says what stands in them. */
export async function report(trained: Trained): Promise<void> {
  const { out, recipe, say, vqTrainer, transformerTrainer, trainCaptions } = trained;
  const { nats, vq } = await measureHeldOut(trained);
  say(
    `autoencoder: ${vq.psnr.toFixed(2)} dB, ${vq.codesInUse} codes in use, perplexity ${vq.perplexity.toFixed(0)}`,
  );
  say(
    `nats a code: ${nats.matched.toFixed(3)} with its caption, ${nats.shuffled.toFixed(3)} with another's, ${nats.none.toFixed(3)} with none`,
  );
  const clip = await loadClip(trained.model, { threads: 2 });
  try {
    await using autoencoder = await openVq(vqTrainer.parameters, recipe.vq);
    await using writer = await Writer.open(
      transformerTrainer.parameters,
      trained.size,
      recipe.sheet.candidates,
    );
    const write = samplerOf(trained, writer, autoencoder);
    const made = recombine(
      trainCaptions,
      recipe.following.captions,
      new Rng(seedOf('captions', recipe.seed)),
    );
    const captions = await captionsOf(trained, made);
    say(`writing ${recipe.sheet.candidates} pictures for each of ${captions.length} captions`);
    writeFileSync(join(out, 'samples.png'), await drawSheet(trained, clip, write, captions));
    const following = made.length > 0 ? await follow(trained, clip, write, made) : null;
    if (following !== null) say(`following: ${JSON.stringify(following)}`);
    const figures = {
      recipe,
      trainPictures: trainCaptions.length,
      ...{ autoencoder: vq, nats, following, captions },
    };
    writeFileSync(join(out, 'figures.json'), `${JSON.stringify(figures, null, 1)}\n`);
  } finally {
    await clip.close();
  }
  drawCurves(trained);
  say(`written: ${join(out, 'samples.png')}, figures.json, autoencoder.svg, transformer.svg`);
}

async function measureHeldOut({ open, recipe, tokens, size, vqTrainer, transformerTrainer }: Trained) {
  const { pixels, texts, count } = await heldOut(open, 'test', recipe.heldOut, recipe);
  await using autoencoder = await openVq(vqTrainer.parameters, recipe.vq);
  const codes = await autoencoder.encode(pixels);
  const back = await autoencoder.decode(codes);
  const mse = pixels.reduce((sum, value, i) => sum + (value - back[i]!) ** 2, 0) / pixels.length;
  const counts = new Map<bigint, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const shares = [...counts.values()].map((n) => n / codes.length);
  await using likelihood = await openLikelihood(transformerTrainer.parameters, size);
  const nats = (captions: readonly (string | undefined)[]) => likelihood.nats(tokens.encode(captions), codes);
  return {
    vq: {
      psnr: psnr(mse),
      codesInUse: counts.size,
      perplexity: Math.exp(-shares.reduce((sum, share) => sum + share * Math.log(share), 0)),
    },
    nats: {
      pictures: count,
      matched: await nats(texts),
      shuffled: await nats(texts.map((_, i) => texts[(i + (count >> 1)) % count])),
      none: await nats(texts.map(() => undefined)),
    },
  };
}

/** What is asked for; else captions that are new to the model; else, where none name a colour, held-out ones. */
async function captionsOf({ captions, open, recipe }: Trained, made: readonly ColourCaption[]) {
  if (captions.length > 0) return captions;
  if (made.length > 0) return made.slice(0, recipe.sheet.captions).map(({ caption }) => caption);
  return (await heldOut(open, 'test', recipe.sheet.captions, recipe)).texts;
}

/** Writes pictures for captions, one each: [captions, 3, side, side]. */
type Write = (captions: readonly string[], purpose: string) => Promise<Float32Array>;

function samplerOf({ recipe, tokens }: Trained, writer: Writer, autoencoder: Vq): Write {
  const none = tokens.encode([undefined]);
  const pixelsEach = 3 * recipe.vq.side ** 2;
  return async (captions, purpose) => {
    const pixels = new Float32Array(captions.length * pixelsEach);
    for (let from = 0; from < captions.length; from += writer.count) {
      const part = Array.from({ length: writer.count }, (_, i) => captions[from + i]);
      const seed = seedOf('write', recipe.seed, purpose, from);
      const codes = await writer.write(tokens.encode(part), none, { ...recipe.writing, seed });
      const written = await autoencoder.decode(codes);
      pixels.set(written.subarray(0, pixels.length - from * pixelsEach), from * pixelsEach);
    }
    return pixels;
  };
}

/** The best samples by CLIP of each caption, beside the training pictures that the first is nearest to. */
async function drawSheet(
  { open, recipe, say }: Trained,
  clip: ClipModel,
  write: Write,
  captions: readonly string[],
): Promise<Buffer> {
  const { candidates, shown } = recipe.sheet;
  const { side } = recipe.vq;
  const best: { samples: GridRow['samples']; pixels: Float32Array; embedding: Float32Array }[] = [];
  for (const caption of captions) {
    const pixels = await write(Array<string>(candidates).fill(caption), caption);
    const pictures = Array.from({ length: candidates }, (_, i) => toRgb(pixels, i, side));
    const embeddings = rows(await clip.embedImages(pictures), candidates);
    const text = await clip.embedTexts([caption]);
    const cosines = embeddings.map((embedding) => dot(embedding, text));
    const order = [...cosines.keys()].sort((a, b) => cosines[b]! - cosines[a]! || a - b);
    const [first] = order as [number];
    best.push({
      samples: order.slice(0, shown).map((i) => pictures[i]!),
      pixels: pixels.slice(first * 3 * side * side, (first + 1) * 3 * side * side),
      embedding: embeddings[first]!.slice(),
    });
    say(`"${caption}": cosines ${cosines[first]!.toFixed(3)} to ${cosines[order.at(-1)!]!.toFixed(3)}`);
  }
  const nearest = await findNearest(open, recipe, clip, best);
  const all = best.map(({ samples }, i) => ({ caption: captions[i]!, samples, nearest: nearest[i]! }));
  return drawGrid(all, side);
}

/** The training pictures nearest to samples, by pixels and by CLIP. */
async function findNearest(
  open: OpenPictures,
  { from, vq: { side } }: Recipe,
  clip: ClipModel,
  samples: readonly { readonly pixels: Float32Array; readonly embedding: Float32Array }[],
): Promise<GridRow['nearest'][]> {
  const found = samples.map(() => ({
    byPixels: Infinity,
    byClip: Infinity,
    nearest: [] as GridRow['nearest'][number][],
  }));
  const each = 3 * side * side;
  await using loader = await open('train', 32, { epochs: 1 });
  for await (const { images, texts } of loader) {
    const pixels = cut(images, from, side);
    const pictures = texts.map((_, i) => toRgb(pixels, i, side));
    const embeddings = rows(await clip.embedImages(pictures), texts.length);
    samples.forEach((sample, s) => {
      const best = found[s]!;
      pictures.forEach((picture, i) => {
        let distance = 0;
        for (let p = 0; p < each; p++) distance += (sample.pixels[p]! - pixels[i * each + p]!) ** 2;
        if (distance < best.byPixels) [best.byPixels, best.nearest[0]] = [distance, picture];
        const away = -dot(sample.embedding, embeddings[i]!);
        if (away < best.byClip) [best.byClip, best.nearest[1]] = [away, picture];
      });
    });
  }
  return found.map(({ nearest }) => nearest);
}

/** Of samples, not ranked, for new captions; and of held-out pictures with their own, which is as far as it can go. */
async function follow(
  { open, recipe }: Trained,
  clip: ClipModel,
  write: Write,
  made: readonly ColourCaption[],
) {
  const { side } = recipe.vq;
  const colours = [...new Set(made.map(({ colour }) => colour))];
  const captioned = (
    captions: readonly ColourCaption[],
    pixels: Float32Array,
    at: readonly number[],
  ): Captioned[] =>
    captions.map((caption, i) => {
      const one = pixels.subarray(at[i]! * 3 * side * side, (at[i]! + 1) * 3 * side * side);
      return { ...caption, picture: toRgb(one, 0, side), seen: backgroundColour(one, side, colours) };
    });
  const repeated = made.flatMap((caption) => Array<ColourCaption>(recipe.following.pictures).fill(caption));
  const written = await write(
    repeated.map(({ caption }) => caption),
    'following',
  );
  const samples = await measureFollowing(clip, captioned(repeated, written, [...repeated.keys()]));
  const { pixels, texts } = await heldOut(open, 'test', recipe.heldOut, recipe);
  const real = texts.flatMap((text, row) => {
    const caption = parseCaption(text);
    return caption && colours.includes(caption.colour) ? [{ caption, row }] : [];
  });
  const originals = captioned(
    real.map(({ caption }) => caption),
    pixels,
    real.map(({ row }) => row),
  );
  return {
    captions: made.length,
    samples,
    heldOut: real.length > 0 ? await measureFollowing(clip, originals) : null,
  };
}

function drawCurves({ out, vqTrainer, transformerTrainer }: Trained): void {
  const points = (trainer: Trainer, name: string) => trainer.curves[name] ?? [];
  const psnrCurve = { name: 'training', points: points(vqTrainer, 'psnr') };
  writeFileSync(
    join(out, 'autoencoder.svg'),
    curvesSvg({ title: 'Autoencoder', x: 'step', y: 'PSNR (dB)', series: [psnrCurve] }),
  );
  const nats = ['train', 'validation'].map((name) => ({ name, points: points(transformerTrainer, name) }));
  writeFileSync(
    join(out, 'transformer.svg'),
    curvesSvg({ title: 'Transformer', x: 'step', y: 'nats a code', series: nats }),
  );
}
