import type { FileInfo } from '../../storage/index.ts';
import { DESCRIBED_COLUMNS, type DescribedColumn } from './columns.ts';
import { formatCount } from './numbers.ts';
import { encoderNote } from './prose.ts';
import { type Publication, UNPUBLISHED } from './publication.ts';
import type { Statistics } from './statistics.ts';

const RELEASE = 'release/';

/** The context of the Croissant 1.0 specification, https://docs.mlcommons.org/croissant/docs/croissant-spec.html. */
const CONTEXT = {
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  citeAs: 'cr:citeAs',
  column: 'cr:column',
  conformsTo: 'dct:conformsTo',
  cr: 'http://mlcommons.org/croissant/',
  rai: 'http://mlcommons.org/croissant/RAI/',
  data: { '@id': 'cr:data', '@type': '@json' },
  dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
  dct: 'http://purl.org/dc/terms/',
  equivalentProperty: 'cr:equivalentProperty',
  examples: { '@id': 'cr:examples', '@type': '@json' },
  extract: 'cr:extract',
  field: 'cr:field',
  fileProperty: 'cr:fileProperty',
  fileObject: 'cr:fileObject',
  fileSet: 'cr:fileSet',
  format: 'cr:format',
  includes: 'cr:includes',
  isLiveDataset: 'cr:isLiveDataset',
  jsonPath: 'cr:jsonPath',
  key: 'cr:key',
  md5: 'cr:md5',
  parentField: 'cr:parentField',
  path: 'cr:path',
  recordSet: 'cr:recordSet',
  references: 'cr:references',
  regex: 'cr:regex',
  repeated: 'cr:repeated',
  replace: 'cr:replace',
  samplingRate: 'cr:samplingRate',
  sc: 'https://schema.org/',
  separator: 'cr:separator',
  source: 'cr:source',
  subField: 'cr:subField',
  transform: 'cr:transform',
} as const;

/** Kinds of files of a release: folder, set, media type, what it holds. */
const FILE_SETS = [
  ['metadata', '*.parquet', 'application/x-parquet', 'One row a pair.'],
  ['images', '*.tar', 'application/x-tar', 'Webdataset: KEY.jpg, KEY.txt, KEY.json of each pair.'],
  [
    'img_emb',
    '*.npy',
    'https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html',
    'Image embeddings, float16, row for row with the metadata file of the same number.',
  ],
  [
    'text_emb',
    '*.npy',
    'https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html',
    'Text embeddings, float16, row for row with the metadata file of the same number.',
  ],
  ['dropped', '*.parquet', 'application/x-parquet', 'Every pair that was dropped, with its reason.'],
] as const;

const DATA_TYPES: Readonly<Record<DescribedColumn['type'], string>> = {
  string: 'sc:Text',
  int32: 'sc:Integer',
  int64: 'sc:Integer',
  float: 'sc:Float',
  double: 'sc:Float',
};

/**
 * Croissant 1.0 metadata (JSON-LD): every file of the release with its SHA-256, the sets that they form, and the
 * records of the metadata with their fields. Addresses are relative to the file itself.
 *
 * @param files of the release; what lies elsewhere is left out
 */
export function renderCroissant(
  stats: Statistics,
  files: readonly FileInfo[],
  publication: Publication = UNPUBLISHED,
): string {
  const released = files
    .filter(({ path }) => path.startsWith(RELEASE))
    .map((file) => ({ ...file, path: file.path.slice(RELEASE.length) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const sets = FILE_SETS.map(([folder, pattern, format, description]) => ({
    folder,
    includes: `${folder}/${pattern}`,
    format,
    description,
    files: released.filter(({ path }) => path.startsWith(`${folder}/`)),
  })).filter((set) => set.files.length > 0);
  const metadata = sets.find(({ folder }) => folder === 'metadata');

  const { contact, license, published, version } = publication;
  const croissant = {
    '@context': CONTEXT,
    '@type': 'sc:Dataset',
    conformsTo: 'http://mlcommons.org/croissant/1.0',
    name: `gleaner-${stats.recipe.name}`,
    description: `${formatCount(stats.rows)} image-text pairs made by gleaner ${stats.gleaner} with the recipe ${stats.recipe.name} (${stats.recipeHash.slice(0, 12)}).${stats.removed > 0 ? ` ${formatCount(stats.removed)} more were taken down since.` : ''} ${encoderNote(stats.model)} README.md says how, and what is known to be wrong with it.${contact === null ? '' : ` Opt-out and takedown: ${contact}`}`,
    license:
      license === null
        ? 'Metadata: as whoever publishes this says in README.md. Images and texts: their owners’; LICENSE of a row says what their page said.'
        : licenceUrl(license),
    citeAs: citation(stats),
    ...(published !== null && { datePublished: published }),
    ...(version !== null && { version }),
    keywords: ['image-text pairs', 'Common Crawl', 'embeddings'],
    ...(stats.languages.top.length > 0 && {
      inLanguage: stats.languages.top.map(({ value }) => value),
    }),
    distribution: sets.flatMap((set) => [
      ...set.files.map(({ path, bytes, sha256 }) => ({
        '@type': 'cr:FileObject',
        '@id': path,
        name: path,
        contentUrl: path,
        contentSize: `${bytes} B`,
        encodingFormat: set.format,
        sha256,
      })),
      {
        '@type': 'cr:FileSet',
        '@id': set.folder,
        name: set.folder,
        description: set.description,
        encodingFormat: set.format,
        includes: set.includes,
      },
    ]),
    ...(metadata && {
      recordSet: [
        {
          '@type': 'cr:RecordSet',
          '@id': 'pairs',
          name: 'pairs',
          description: metadata.description,
          key: { '@id': 'pairs/SAMPLE_ID' },
          field: DESCRIBED_COLUMNS.map(({ name, type, description }) => ({
            '@type': 'cr:Field',
            '@id': `pairs/${name}`,
            name,
            description,
            dataType: name === 'URL' || name === 'page_url' ? 'sc:URL' : DATA_TYPES[type],
            source: { fileSet: { '@id': metadata.folder }, extract: { column: name } },
          })),
        },
      ],
    }),
  };
  return `${JSON.stringify(croissant, null, 2)}\n`;
}

/** SPDX's own address of a licence that is named by its identifier. */
function licenceUrl(license: string): string {
  return /^[\w.+-]+$/.test(license) ? `https://spdx.org/licenses/${license}.html` : license;
}

/** BibTeX. A citation names what made the data, so that another can make them again. */
function citation({ recipe, recipeHash, gleaner, rows }: Statistics): string {
  const key = `gleaner_${recipe.name.replace(/\W/g, '_')}_${recipeHash.slice(0, 12)}`;
  return `@misc{${key}, title = {${recipe.name}: ${formatCount(rows)} image-text pairs}, note = {Made by gleaner ${gleaner}, recipe ${recipeHash}}}`;
}
