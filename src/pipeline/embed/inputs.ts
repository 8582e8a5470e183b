import { readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parquetInfo } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import {
  EMBED_FORMATS,
  type EmbedFormat,
  type EmbedInput,
  type FileSample,
  IMAGE_EXTENSIONS,
} from '../../stages/embed/read-samples.ts';
import { expandPattern, isRemote, locationFacts, openFile } from '../../storage/index.ts';

/** Inputs with what is known of their number of samples. */
export interface EmbedInputs {
  readonly inputs: readonly EmbedInput[];
  /** Exact for folders and Parquet files; of tars, 10,000 each, as clip-retrieval takes it. */
  readonly samples: number;
}

/** clip-retrieval's `wds_number_file_per_input_file`: names of parts have as many digits as follow from it. */
const SAMPLES_A_TAR = 10_000;
/** What a file of a folder counts for in the progress, beside the bytes of other inputs. */
const NOMINAL_BYTES = 100_000;

/**
 * Looks at what the user named: tars and Parquet files by path, pattern or in a folder; a folder of images; of tars also
 * http://, https:// and s3:// URLs.
 *
 * @param format of all of them; without it, extensions say it, and a folder is of tars, of Parquet files or of images, by
 * what it holds first in this order
 * @throws GleanerError FILE_NOT_FOUND, USAGE, DAMAGED
 */
export async function openEmbedInputs(named: readonly string[], format?: EmbedFormat): Promise<EmbedInputs> {
  const inputs: EmbedInput[] = [];
  let samples = 0;
  const add = async (path: string, as: EmbedFormat): Promise<void> => {
    if (as === 'webdataset') {
      const bytes = isRemote(path) ? (await locationFacts(path)).bytes : (await stat(path)).size;
      inputs.push({ format: as, path, bytes: bytes ?? 0 });
      samples += SAMPLES_A_TAR;
      return;
    }
    const source = await openFile(path);
    try {
      samples += (await parquetInfo(source, path)).rows;
      inputs.push({ format: as, path, bytes: source.byteLength });
    } finally {
      await source.close();
    }
  };
  for (const name of named)
    for (const path of isRemote(name) ? [name] : await expandPattern(name)) {
      const found = isRemote(path) ? undefined : await stat(path).catch(() => undefined);
      if (!isRemote(path) && !found)
        throw new GleanerError('FILE_NOT_FOUND', { path, hint: 'Name tars, Parquet files or folders.' });
      if (!found?.isDirectory()) {
        await add(isRemote(path) ? path : resolve(path), formatOf(path, format));
        continue;
      }
      const folder = resolve(path);
      const names = (await readdir(folder)).sort();
      const as = format ?? EMBED_FORMATS.find((one) => names.some((file) => endsAs(file, one))) ?? 'files';
      if (as === 'files') {
        const files = await listFiles(folder);
        inputs.push({ format: as, path: folder, bytes: files.length * NOMINAL_BYTES, files });
        samples += files.length;
        continue;
      }
      const inside = names.filter((file) => endsAs(file, as));
      if (inside.length === 0) throw usage(`${path}: holds no files that end in ${EXTENSIONS[as]}.`);
      for (const file of inside) await add(`${folder}/${file}`, as);
    }
  return { inputs, samples };
}

const EXTENSIONS = { webdataset: '.tar', parquet: '.parquet', files: '' } as const;

const endsAs = (name: string, format: EmbedFormat) =>
  format !== 'files' && name.toLowerCase().endsWith(EXTENSIONS[format]);

function formatOf(path: string, format: EmbedFormat | undefined): EmbedFormat {
  const bare = isRemote(path) ? (path.split(/[?#]/, 1)[0] ?? '') : path;
  const found = format ?? EMBED_FORMATS.find((one) => endsAs(bare, one));
  if (found === undefined || found === 'files')
    throw usage(`${path}: say what it is with '--input-format' (webdataset, parquet; files is for folders).`);
  if (found === 'parquet' && isRemote(path))
    throw usage(`${path}: Parquet files have to lie on this machine.`);
  return found;
}

/** The samples of a folder and of those below it: files that differ in their extension alone. In the order of their names. */
async function listFiles(folder: string): Promise<readonly FileSample[]> {
  const samples = new Map<string, { stem: string; image?: string; caption?: string; metadata?: string }>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const dot = entry.name.lastIndexOf('.');
    if (!entry.isFile() || dot <= 0) continue;
    const path = `${entry.parentPath}/${entry.name}`.slice(folder.length + 1).replaceAll('\\', '/');
    const extension = entry.name.slice(dot + 1).toLowerCase();
    const part = IMAGE_EXTENSIONS.includes(extension)
      ? 'image'
      : ({ txt: 'caption', json: 'metadata' } as const)[extension];
    if (!part) continue;
    const stem = path.slice(0, path.length - extension.length - 1);
    const sample = samples.get(stem) ?? { stem };
    // Two images of one name: the first by name, as readdir's order is not the same everywhere.
    if (sample[part] === undefined || path < sample[part]) sample[part] = path;
    samples.set(stem, sample);
  }
  return [...samples.values()].sort((a, b) => (a.stem < b.stem ? -1 : 1));
}

function usage(problem: string): GleanerError<'USAGE'> {
  return new GleanerError('USAGE', { problem });
}
