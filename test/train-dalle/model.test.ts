import { describe, expect, it } from 'vitest';
import {
  type BuildLoss,
  DYNAMIC,
  type Feeds,
  Graph,
  openForward,
  openStep,
  Parameters,
  Rng,
  Trainer,
} from '../../examples/autodiff/index.ts';
import { Codebook } from '../../examples/train-dalle/codebook.ts';
import {
  CODEBOOK,
  likelihoods,
  toDepth,
  toSpace,
  transformerLoss,
  vqLoss,
} from '../../examples/train-dalle/model.ts';
import { openVq } from '../../examples/train-dalle/networks.ts';
import { Writer } from '../../examples/train-dalle/writer.ts';

const SIZE = { layers: 2, width: 8, heads: 2, textTokens: 3, vocabulary: 5, imageTokens: 4, codes: 6 };
const VQ = { side: 16, width: 2, codes: 7, dims: 3 };
const ids = (...values: number[]) => BigInt64Array.from(values, BigInt);
const pixelsOf = (count: number, seed: number) => {
  const rng = new Rng(seed);
  return Float32Array.from({ length: count * 3 * VQ.side ** 2 }, () => rng.uniform(-1, 1));
};
/** Weights far from their small beginnings, so that every part of a network matters. */
function stir(parameters: Parameters, by = 0.3): void {
  const rng = new Rng(5);
  for (const { value } of parameters.all())
    for (let i = 0; i < value.length; i++) value[i]! += rng.normal(by);
}

/** Gradients of a loss are its slopes, at some elements of each weight, by central differences. */
async function expectSlopes(
  build: BuildLoss,
  feeds: Feeds,
  of: (name: string) => boolean,
  by?: number,
): Promise<number> {
  const parameters = new Parameters(3);
  const step = await openStep(build, parameters, { threads: 1 });
  stir(parameters, by);
  await step.run(feeds);
  const gradients = new Map([...step.gradients].map(([name, value]) => [name, value.slice()]));
  const checked = parameters.all().filter(({ name }) => gradients.has(name) && of(name));
  const rng = new Rng(1);
  const h = 2e-3;
  for (const { name, value } of checked) {
    const gradient = gradients.get(name)!;
    const scale = Math.max(0.02, ...gradient.map(Math.abs));
    for (const i of rng.sample([...value.keys()], 3)) {
      const start = value[i]!;
      const lossAt = async (x: number) => {
        value[i] = x;
        return (await step.run(feeds)).loss;
      };
      const slope = ((await lossAt(start + h)) - (await lossAt(start - h))) / (2 * h);
      value[i] = start;
      expect(Math.abs(gradient[i]! - slope) / scale, `${name}[${i}] ${gradient[i]} ${slope}`).toBeLessThan(
        0.02,
      );
    }
  }
  await step.close();
  return checked.length;
}

it('blocks of pixels become channels, and come back', async () => {
  const graph = new Graph('blocks');
  const x = graph.input('x', [1, 1, 4, 4]);
  graph.output('deep', toDepth(x, 2));
  graph.output('back', toSpace(toDepth(x, 2), 2));
  const forward = await openForward(graph.toModel());
  const pixels = Float32Array.from({ length: 16 }, (_, i) => i);
  const { deep, back } = await forward.run({ x: pixels });
  // Of each block of a picture 0 1 2 3 / 4 5 6 7 / … the upper left pixel, then the upper right one…
  expect([...deep!]).toEqual([0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]);
  expect(back).toEqual(pixels);
});

describe('the autoencoder', () => {
  it('has gradients that are the slopes of its loss, behind the codes', async () => {
    const feeds = { pixels: pixelsOf(2, 1) };
    const checked = await expectSlopes(
      (graph) => vqLoss(graph, 2, VQ),
      feeds,
      (n) => n.startsWith('vq.decoder'),
      0.02,
    );
    expect(checked).toBe(2 * 12);
  });

  it('takes the nearest code by direction, for any number of pictures', async () => {
    const parameters = new Parameters(2);
    const step = await openStep((graph) => vqLoss(graph, 3, VQ), parameters);
    const pixels = pixelsOf(3, 2);
    const { outputs } = await step.run({ pixels });
    const [latents, book] = [outputs.latents as Float32Array, parameters.get(CODEBOOK).value];
    const nearest = Array.from({ length: 12 }, (_, row) => {
      const cosines = Array.from({ length: VQ.codes }, (_, code) => {
        const vector = book.subarray(code * 3, code * 3 + 3);
        const product = vector.reduce((sum, v, i) => sum + v * latents[row * 3 + i]!, 0);
        return product / Math.hypot(...vector);
      });
      return cosines.indexOf(Math.max(...cosines));
    });
    expect([...(outputs.codes as BigInt64Array)].map(Number)).toEqual(nearest);
    await using vq = await openVq(parameters, VQ);
    expect([...(await vq.encode(pixels))].map(Number)).toEqual(nearest);
    const whole = await vq.decode(ids(...nearest));
    const one = await vq.decode(ids(...nearest.slice(4, 8)));
    expect(Math.max(...one.map((v, i) => Math.abs(v - whole[one.length + i]!)))).toBeLessThan(1e-5);
    await step.close();
  });
});

describe('the codebook', () => {
  it('puts codes that nobody uses where latents are, without their past', async () => {
    const parameters = new Parameters(2);
    const book = new Codebook(parameters, VQ);
    await using trainer = await Trainer.open({
      build: (graph) => vqLoss(graph, 2, VQ),
      parameters,
      schedule: { steps: 10, rate: 0.01, warmUp: 1, decay: 0 },
      recipe: null,
    });
    for (let i = 0; i < 500; i++) book.count(ids(0, 1, 2, 2));
    expect(book.perplexity()).toBeCloseTo(Math.exp(1.5 * Math.LN2), 4); // entropy of ¼, ¼, ½
    const before = parameters.get(CODEBOOK).value.slice();
    const latents = Float32Array.of(0.6, 0.8, 0, 0, 0.6, 0.8);
    expect(book.restart(trainer, latents, 1)).toBe(4);
    const after = parameters.get(CODEBOOK).value;
    expect(after.subarray(0, 9)).toEqual(before.subarray(0, 9));
    for (let code = 3; code < 7; code++)
      expect([latents.slice(0, 3), latents.slice(3)]).toContainEqual(after.slice(code * 3, code * 3 + 3));
    expect(book.restart(trainer, latents, 1)).toBe(0); // they have time
  });
});

describe('the transformer', () => {
  const text = ids(3, 1, 4, 3, 2, 4);
  const codes = ids(0, 5, 2, 2, 1, 0, 4, 3);

  it('has gradients that are the slopes of its loss', async () => {
    const weights = Float32Array.of(1, 1, 1, 0);
    const feeds = { text, codes, weights };
    const checked = await expectSlopes(
      (graph) => transformerLoss(graph, 2, SIZE),
      feeds,
      () => true,
    );
    expect(checked).toBe(3 + 2 * 16 + 2 + 4);
  });

  it('writes what is likeliest, code by code, and sees nothing of what it foresees', async () => {
    const parameters = new Parameters(3);
    const graph = new Graph('nats', parameters, false);
    likelihoods(graph, 1, SIZE); // makes the weights
    stir(parameters);
    await using writer = await Writer.open(parameters, SIZE, 2);
    const none = ids(3, 4, 4);
    const greedy = { guidance: 1, temperature: 1, topK: 1, seed: 1 };
    const written = await writer.write(text, none, greedy);
    const whole = new Graph('nats', parameters, true);
    whole.output('nats', likelihoods(whole, DYNAMIC, SIZE).codes);
    const forward = await openForward(whole.toModel());
    for (const from of [0, 4])
      for (let place = 0; place < 4; place++) {
        // The same picture with each of the six codes at this place.
        const others = Array.from({ length: 6 }, (_, code) =>
          written.slice(from, from + 4).with(place, BigInt(code)),
        );
        const caption = text.slice((from / 4) * 3, (from / 4) * 3 + 3);
        const rows = BigInt64Array.from(others.flatMap((codes) => [...codes]));
        const captions = BigInt64Array.from(others.flatMap(() => [...caption]));
        const { nats } = await forward.run({ text: captions, codes: rows });
        const at = (place: number) => others.map((_, row) => Number(nats![row * 4 + place]));
        const odds = at(place).map((n) => Math.exp(-n));
        expect(odds.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
        expect(Number(written[from + place])).toBe(odds.indexOf(Math.max(...odds)));
        for (let before = 0; before < place; before++)
          expect(Math.max(...at(before)) - Math.min(...at(before))).toBeLessThan(1e-5);
      }
    await forward.close();
    const guided = { guidance: 3, temperature: 1, topK: 6, seed: 2 };
    expect(await writer.write(text, none, guided)).toEqual(await writer.write(text, none, guided));
  });
});
