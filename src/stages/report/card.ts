import { stringify } from 'yaml';
import { DESCRIBED_COLUMNS } from './columns.ts';
import { codeSpan, escapeMarkdown, markdownTable } from './markdown.ts';
import { formatCount, formatShare } from './numbers.ts';
import { decidingParameters } from './parameters.ts';
import { describeRecipe, encoderNote } from './prose.ts';
import { type Publication, UNPUBLISHED } from './publication.ts';
import type { Statistics, Tally } from './statistics.ts';

/** The hub's classes of size, https://huggingface.co/docs/hub/datasets-cards: below the number, the class. */
const SIZE_CATEGORIES = [
  [1e3, 'n<1K'],
  [1e4, '1K<n<10K'],
  [1e5, '10K<n<100K'],
  [1e6, '100K<n<1M'],
  [1e7, '1M<n<10M'],
  [1e8, '10M<n<100M'],
  [1e9, '100M<n<1B'],
  [1e10, '1B<n<10B'],
  [1e11, '10B<n<100B'],
  [1e12, '100B<n<1T'],
] as const;

/** What is wrong in LAION-400M and right here, so that nobody who compares the two is led astray. */
const DEFECTS_FIXED = [
  'WIDTH is the width and HEIGHT the height; the original had them swapped.',
  'SAMPLE_ID is unique: it is the place in the release. The original’s collided between the two halves of a WAT file.',
  'Relative URLs are resolved against the page and its `<base>`; the original used a wrong base.',
  'Category prompts are whole: a missing comma had merged two of them and shifted the boundary of the NSFW classes.',
  'A licence link counts for all images of its page; the original saw it only for the images after it.',
  'Words are matched whole and regardless of case.',
  'robots.txt is honoured by default, TLS certificates are checked, private addresses are not reached.',
];

/** The data card: README.md of a release, with the front matter that dataset hubs read. */
export function renderCard(stats: Statistics, publication: Publication = UNPUBLISHED): string {
  const name = escapeMarkdown(stats.recipe.name);
  const part = '0'.repeat(String(Math.max(0, stats.parts - 1)).length);
  return `---
${frontMatter(stats, publication)}---

# ${name}: ${formatCount(stats.rows)} image-text pairs

${escapeMarkdown(stats.recipe.description)}

Made by gleaner ${escapeMarkdown(stats.gleaner)} from WAT files of a web crawl. ${escapeMarkdown(encoderNote(stats.model))}
\`report.html\` shows the figures, \`stats.json\` has all of them, \`dropped/\` lists every pair that was left out and why.

## How it was made

${describeRecipe(stats)
  .map((sentence, i) => `${i + 1}. ${escapeMarkdown(sentence)}`)
  .join('\n')}

Recipe hash ${codeSpan(stats.recipeHash)}; the recipe in full is in \`stats.json\`. What decided about a pair, as it was run:

${markdownTable(
  ['parameter', 'value'],
  decidingParameters(stats.recipe).map(([name, value]) => [codeSpan(name), codeSpan(value)]),
)}

${funnelTable(stats)}

## Files

| path | what |
| --- | --- |
| \`metadata/metadata_N.parquet\` | one row a pair, columns below; ${formatCount(stats.parts)} ${stats.parts === 1 ? 'file' : 'files'} |
| \`img_emb/img_emb_N.npy\`, \`text_emb/text_emb_N.npy\` | embeddings, float16, L2-normalised, ${stats.model.dimension} dimensions; row i belongs to row i of \`metadata_N\` |
| \`images/N.tar\` | webdataset: \`KEY.jpg\`, \`KEY.txt\`, \`KEY.json\` |
| \`dropped/*.parquet\` | what was dropped: uid, url, text, page_url, wat, license, language, language_confidence, reason, detail, similarity |

Rows are in the order of their uids, which are hashes: they are shuffled, and any part is a random sample.

| column | type | what |
| --- | --- | --- |
${DESCRIBED_COLUMNS.map(({ name, type, description }) => `| \`${name}\` | ${type} | ${escapeMarkdown(description)} |`).join('\n')}

## Reading it

\`\`\`python
import numpy, pyarrow.parquet, webdataset
table = pyarrow.parquet.read_table("metadata/metadata_${part}.parquet")
images = numpy.load("img_emb/img_emb_${part}.npy")   # row i is row i of the table
texts = numpy.load("text_emb/text_emb_${part}.npy")
for sample in webdataset.WebDataset("images/00000.tar", shardshuffle=False).decode("rgb"):
    sample["__key__"], sample["jpg"], sample["txt"], sample["json"]
\`\`\`

\`\`\`sql
-- DuckDB
SELECT URL, TEXT, similarity FROM 'metadata/*.parquet' WHERE WIDTH >= 512 AND NSFW = 'UNLIKELY' ORDER BY similarity DESC LIMIT 10;
\`\`\`

## What is in it

${tallyTable('language', stats.languages, 20)}

${tallyTable('licence', stats.licenses, 20)}

${tallyTable('NSFW class', stats.nsfw, 3)}

${tallyTable('image host', stats.hosts, 10)}

${markdownTable(
  ['size in pixels', 'images', 'share'],
  stats.sizes.map(({ title, count, share }) => [title, formatCount(count), formatShare(share)]),
)}

## Licence

${licenceSentence(publication)} Images and texts belong to their owners. LICENSE is the Creative Commons link found on the page, which need not be about the image; “?” means that none was found, not that none is needed.

## Known limits

- Alternative texts are what pages hold: many name a product, a file or a person and do not describe the picture.
${limits(stats)}
- Only exact repetitions of URL and text are dropped: the same picture at other addresses, or in another size, stays.
- Languages are detected from the text alone, which for a few words is often wrong.
- Links die and images change: \`sha256\` says what was seen.
- It has the biases of the web pages that were crawled. It was not reviewed by people.

Known defects of LAION-400M that are fixed here:

${DEFECTS_FIXED.map((defect) => `- ${defect}`).join('\n')}

## Opt-out and takedown

${contactSentence(publication)} Every row holds the address of the image and of its page, so that a request by URL or by host can be met: \`gleaner remove\` does it.${removedNote(stats)} Before fetching, the wishes of site owners were treated as step 4 above says.
`;
}

function removedNote({ removed }: Statistics): string {
  if (removed === 0) return '';
  const pairs = removed === 1 ? '1 pair was' : `${formatCount(removed)} pairs were`;
  return ` ${pairs} taken down since the release was made; the SAMPLE_ID${removed === 1 ? '' : 's'} of ${removed === 1 ? 'it is' : 'these are'} nobody’s.`;
}

function licenceSentence({ license }: Publication): string {
  return license === null
    ? "The metadata are gleaner's output; **whoever publishes them has to say under which licence** (`gleaner card DIR --license`)."
    : `The metadata are published under ${escapeMarkdown(license)}.`;
}

function contactSentence({ contact }: Publication): string {
  return contact === null
    ? 'gleaner publishes nothing itself, so no address can be given here by it. **Whoever publishes this dataset: give an address for takedown requests before you do** (`gleaner card DIR --contact`).'
    : `To have an image, a text, a page or a whole site taken out, write to ${codeSpan(contact)} and name the URL or the host.`;
}

/** The hub knows licences by lower-case SPDX identifiers; others stand under their own name or address. */
function licenceOf({ license }: Publication): Readonly<Record<string, string>> {
  if (license !== null && /^[\w.+-]+$/.test(license)) return { license: license.toLowerCase() };
  const link = license !== null && URL.canParse(license) ? license : 'README.md';
  return { license: 'other', license_name: 'see-readme', license_link: link };
}

function frontMatter(stats: Statistics, publication: Publication): string {
  const codes = stats.languages.top
    .map(({ value }) => value)
    .filter((code) => /^[a-z]{2,3}$/.test(code) && code !== 'und');
  return stringify({
    pretty_name: `${stats.recipe.name} (gleaner)`,
    ...licenceOf(publication),
    ...(codes.length > 0 && { language: codes.toSorted() }),
    task_categories: ['image-to-text', 'text-to-image', 'zero-shot-image-classification'],
    size_categories: [SIZE_CATEGORIES.find(([below]) => stats.rows < below)?.[1] ?? 'n>1T'],
    tags: ['image-text', 'common-crawl', 'webdataset', 'gleaner'],
    configs: [{ config_name: 'default', data_files: [{ split: 'train', path: 'metadata/*.parquet' }] }],
  });
}

function funnelTable({ funnel }: Statistics): string {
  const links = funnel[1]?.in ?? 0;
  return markdownTable(
    ['step', 'count', 'of step before'],
    [
      ...(links > 0 ? [['**image links**', formatCount(links), '']] : []),
      ...funnel
        .slice(1)
        .flatMap((row) => [
          ...row.dropped.map(({ title, count, share }) => [
            `− ${escapeMarkdown(title)}`,
            formatCount(count),
            formatShare(share),
          ]),
          [`**${row.title}**`, formatCount(row.out), formatShare(row.shareOfPrevious)],
        ]),
    ],
  );
}

function tallyTable(what: string, tally: Tally, limit: number): string {
  const shown = tally.top.slice(0, limit);
  const rest = tally.total - shown.reduce((n, { count }) => n + count, 0);
  return markdownTable(
    [what, 'pairs', 'share'],
    [
      ...shown.map(({ value, count, share }) => [codeSpan(value), formatCount(count), formatShare(share)]),
      ...(rest > 0 ? [['all others', formatCount(rest), formatShare(rest / tally.total)]] : []),
    ],
  );
}

function limits(stats: Statistics): string {
  const { score, safety } = stats.recipe;
  return [
    ...(stats.model.name === 'gleaner-mini'
      ? [
          '- **The encoder is gleaner-mini: a small contrastive encoder that knows emoji, not CLIP.** Its similarities, NSFW classes and embeddings show that the machinery works; they say little about photographs. Use a CLIP model for a dataset that is meant to be used.',
        ]
      : [
          '- The encoder decides what matches: what it does not know, it drops, and its biases are in the selection.',
        ]),
    ...(score.minSimilarity === null
      ? ['- There is no threshold on similarity: many texts have nothing to do with their image.']
      : []),
    ...(safety.categories === 'stand-in'
      ? [
          '- **The safety categories are stand-ins**: harmless words in the place of explicit ones. NSFW tells nothing about real content until a real list is given.',
        ]
      : [
          '- Safety tags come from prompts scored against the image: they miss some content and flag some that is harmless.',
        ]),
  ].join('\n');
}
