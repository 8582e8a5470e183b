/** The model card, with the figures of `metrics.json`. */
import type { Measures, Recall } from './evaluate.ts';
import { featureCount } from './features.ts';
import type { Metrics, TestFigures } from './model-folder.ts';

const percent = (value: number): string => value.toFixed(1);
const recall = ({ at1, at5, at10 }: Recall): string => [at1, at5, at10].map(percent).join(' / ');
const thousands = (n: number): string => n.toLocaleString('en-US');

/** Half the width of the 95 % interval of a share in percent (normal approximation). */
function margin(percent: number, count: number): string {
  const share = percent / 100;
  return (100 * 1.96 * Math.sqrt((share * (1 - share)) / count)).toFixed(1);
}

function row(title: string, pictures: string, m: Measures): string {
  const cells = [
    title,
    pictures,
    recall(m.textToImage),
    recall(m.imageToText),
    m.pairs.auc.toFixed(3),
    percent(m.pairs.kept),
    percent(m.pairs.dropped),
    percent(m.groups.accuracy),
    `${percent(m.queries.precisionAt5)}; ${m.queries.answered} of 20`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function figures({ test, control, otherSeeds, leftOut }: Metrics): string {
  const both = (title: string, { varied, white }: TestFigures) => [
    row(title, 'varied', varied),
    row(title, 'white', white),
  ];
  return [
    '| model | pictures | text→image R@1 / 5 / 10 | image→text R@1 / 5 / 10 | AUC | kept at 0.3 | dropped at 0.3 | groups | free queries: P@5; answered |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...both('gleaner-mini', test),
    ...otherSeeds.flatMap((other) => both(`from seed ${other.seed}`, other)),
    ...leftOut.flatMap((other) => both(`without ${other.set}, on ${other.set}`, other)),
    ...(control === null ? [] : both('control', control)),
  ].join('\n');
}

/** `README.md` of the model folder. */
export function modelCard(metrics: Metrics): string {
  const { recipe, training, test } = metrics;
  const { varied } = test;
  const { batch, sigmoid, schedule } = recipe;
  const { steps, rate, warmUp, decay } = schedule;
  const seen = varied.gallery - varied.heldOut;
  const scales = recipe.scales.map(
    ({ shrink, filters, fields }) =>
      `${filters} filters at ${shrink === 1 ? 'full size' : `1/${shrink} of the size`}, ${fields} × ${fields} fields`,
  );
  const views = [...Map.groupBy(recipe.views, (view) => view)].map(
    ([view, { length }]) => `${length} ${view}`,
  );
  const chance = (k: number) => ((100 * k) / seen).toFixed(2);
  return `---
license: apache-2.0
language: en
library_name: transformers.js
pipeline_tag: zero-shot-image-classification
tags: [emoji, contrastive, image-text, onnx]
---

# gleaner-mini

A small contrastive encoder that knows emoji. It puts pictures and English texts into one space of ${recipe.dims} dimensions, with the inputs, outputs and files of a CLIP exported for transformers.js, so that code written for CLIP runs with it. **It is not CLIP**, has no weights of CLIP, and knows next to nothing but drawings of emoji. It exists so that gleaner can be run, tested and shown from end to end without a download.

| file | input | output |
| --- | --- | --- |
| \`onnx/vision_model.onnx\` | \`pixel_values\` float32 [batch, 3, 64, 64], 0 to 1 | \`image_embeds\` [batch, ${recipe.dims}], length 1 |
| \`onnx/text_model.onnx\` | \`input_ids\`, \`attention_mask\` int64 [batch, up to 77] | \`text_embeds\` [batch, ${recipe.dims}], length 1 |

Preprocessing (\`preprocessor_config.json\`): shortest edge to 64 by antialiased bicubic, centre crop, values over 255.

## Data

${thousands(training.drawings)} drawings of emoji by five designers, as packaged by Iconify, with skin tones and national flags left out; names and keywords from two lists.

| source | used for | licence |
| --- | --- | --- |
| Twemoji, © Twitter, Inc and other contributors (\`@iconify-json/twemoji\`) | training | CC BY 4.0 |
| Noto Emoji, © Google (\`@iconify-json/noto\`) | training | Apache-2.0 |
| Fluent Emoji Flat, © Microsoft (\`@iconify-json/fluent-emoji-flat\`) | training | MIT |
| Emoji One 2.3, © Emoji One / EmojiTwo (\`@iconify-json/emojione\`) | training | CC BY 4.0 |
| Firefox OS Emoji, © Mozilla (\`@iconify-json/fxemoji\`) | training | Apache-2.0 |
| Fluent Emoji (shaded), © Microsoft (\`@iconify-json/fluent-emoji\`) | measuring only | MIT |
| \`unicode-emoji-json\` | names, groups | MIT |
| \`cldr-annotations-full\`, © Unicode, Inc | names, keywords | Unicode-3.0 |

The weights are under Apache-2.0. They were computed from the drawings above, changed by rendering, placing and tinting them; whoever passes them on should keep this table (CC BY 4.0 asks for attribution).

## Recipe

1. **Features, without labels.** A picture is cut into overlapping patches of 6 × 6 pixels at ${recipe.scales.length} scales (${scales.join('; ')}); each patch is normalised ((p − mean) / √(var + 0.01)) and compared with its scale's filters, found by whitening and spherical k-means on ${thousands(recipe.filterPatches)} patches of ${thousands(recipe.filterPictures)} pictures (Coates, Ng and Lee, AISTATS 2011); relu(response − 0.8), averaged over overlapping fields; beside them colour means of 6 × 6 fields. ${thousands(featureCount(recipe.scales))} numbers, standardised, frozen.
2. **Pictures.** One linear layer from there to ${recipe.dims}, and beside it a hidden layer of ${thousands(recipe.hidden)} (relu) whose output starts at zero.
3. **Texts.** BPE in CLIP's form (${thousands(512 + recipe.merges + 2)} tokens, learnt from the names and keywords); a bag of tokens: each has a vector and a weight, a text is their weighted sum. Word order plays no part.
4. **Training.** ${recipe.views.length} views of each drawing (${views.join(', ')}): moved, turned, bent, mirrored where that changes nothing, lit from a side, tinted, blurred, on white or on varied backgrounds. Batches of ${batch} different emoji, one random caption each (name, keywords, colours, group, in templates; now and then the background's colour, or common filler words); captions that also fit other drawings of the batch count as right for them. InfoNCE with a learnt scale, plus a sigmoid loss with its boundary fixed at cosine 0.3 (matched pairs weigh ${sigmoid.matched}, mismatched ${sigmoid.mismatched}): that is what gives the customary threshold of 0.3 a meaning here. AdamW, rate ${rate}, ${warmUp} warm-up steps and cosine decay, weight decay ${decay}, feature dropout 0.2, ${thousands(steps)} steps.
5. **Export.** Matrices at 8 bits with a scale for each column, unpacked when the model is loaded.

## Figures

Measured on Fluent Emoji (shaded), a style never trained on: ${thousands(varied.gallery)} drawings, by these ONNX files in onnxruntime-node, from pictures that went through JPEG and the preprocessing above. "varied": 65 % coloured, gradient or noisy backgrounds, random size and place, JPEG quality 70 to 92; "white": the same on white. Retrieval: the emoji's name against all ${thousands(varied.gallery)} pictures; ${varied.heldOut} drawings of concepts left out of training are in the gallery but not in the figures (chance ${chance(1)} / ${chance(5)} / ${chance(10)} %). AUC, kept and dropped: random alt-text-like captions, matched against captions of other concepts, 8 for each picture. Groups: nine Unicode groups as "a picture of …" (always the largest: ${varied.groups.majority} %). Free queries: 20 queries that no caption was made from, such as "a red fruit" (chance ${varied.queries.chance} %). All in percent but AUC.

${figures(metrics)}

- "from seed …": the same recipe with other filters, held-out concepts, weights and batches.
- "without noto, on noto": the same recipe on four styles, measured on the fifth (1,614 pictures). This is the figure for a style that looks like none of those trained on; Fluent Emoji shares outlines with Fluent Emoji Flat, which is trained on. Below 0.3 fall more of its right captions.
- "control": the same training with the captions dealt out at random among the emoji: what is left when a caption says nothing about its picture. Its captions never mention the background.

How sure: by the size of the gallery alone, R@1 on varied backgrounds is ± ${margin(varied.textToImage.at1, seen)} points, R@10 ± ${margin(varied.textToImage.at10, seen)}, "kept" ± ${margin(varied.pairs.kept, seen)} (95 %). Fluent Emoji was never trained on, but it is not untouched: captions and losses come from an earlier study that was measured on it too, and from an earlier model, after which captions with filler words were added because wordy sentences scored below 0.3. Views, scales, learning rate and steps were chosen on noto left out, and this recipe was measured on Fluent Emoji once.

## Limits

- It knows what it was shown, in other styles. Concepts left out of training: text→image R@10 ${varied.textToImageHeldOut.at10} % of ${varied.heldOut}. Photos, logos, screenshots and text in pictures mean nothing to it, and it does not say so: a photo gets an embedding like any other.
- 64 × 64 pixels, centre-cropped; English only; no word order, no counting, no relations.
- Cosines are made for a threshold of 0.3 on drawings of emoji. They say nothing about CLIP's cosines.
- Emoji keywords carry the habits of those who wrote them (CLDR); names of people and gender follow Unicode.
- Not for deciding anything about people, and not for filtering a real dataset.

## Make it again

\`npm run train:embedded\` in gleaner's repository (\`examples/train-embedded/\`): about ${Math.round(training.cpuSeconds / 60)} CPU-minutes on two cores of a 2.6 GHz Xeon with AVX-512. Every random choice is seeded; a run that is killed goes on from its checkpoint to the same weights. \`npm run train:embedded -- --control\`, \`-- --another-seed 2\` and \`-- --leave-out noto\` give the other rows of the table. \`metrics.json\` holds the recipe and every figure of this page.
`;
}
