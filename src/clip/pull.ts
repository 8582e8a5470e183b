import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { fileStorage, type ObjectFacts, type RetryOptions, streamLocation } from '../storage/index.ts';
import type { ModelVariant } from './choices.ts';
import type { KnownModel } from './known-models.ts';
import { readModelFolder } from './model-files.ts';

/** Where models are published. */
export const DEFAULT_HUB = 'https://huggingface.co';
/** What was pulled, beside the model. */
export const LOCK_FILE = 'gleaner-model.json';
/** Some ten seconds of trying where there is no network at all; a connection that gives bytes is waited for longer. */
const RETRY: RetryOptions = { attempts: 5 };

export interface PullOptions {
  readonly model: KnownModel;
  /** Folder that becomes the model's. */
  readonly dir: string;
  /** http:// or https://, with the paths of the hub below it. @default DEFAULT_HUB */
  readonly hub?: string | undefined;
  /** @default 'fp32' */
  readonly variant?: ModelVariant | undefined;
  readonly retry?: RetryOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of a file that are there, those of an earlier start included; `total` where the hub says it. */
  readonly onProgress?: (path: string, bytes: number, total: number | undefined) => void;
}

export interface PulledFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether gleaner knew the hash, an earlier pull had recorded it, or it is recorded now for the first time. */
  readonly checked: 'pinned' | 'recorded' | 'new';
  /** False where the file was there already. */
  readonly downloaded: boolean;
}

const lockSchema = z.object({
  version: z.literal(1),
  repository: z.string(),
  revision: z.string(),
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
});
type Lock = z.infer<typeof lockSchema>;

/**
 * Downloads a model, or what is missing of it: a file that is there with the right hash stays, one that was broken off goes on
 * where it was. Files that somebody placed by hand are taken for what they are, and recorded.
 *
 * @returns its files, in the order in which they are asked for
 * @throws GleanerError MODEL_NOT_PULLED, with how to place the files by hand; MODEL_INVALID where what came is no model
 */
export async function pullModel(options: PullOptions): Promise<readonly PulledFile[]> {
  const { model, dir, variant = 'fp32', signal } = options;
  const networks = model.networks[variant];
  if (!networks) {
    const problem = `it is not published as ${variant}, but as ${Object.keys(model.networks).join(', ')}.`;
    throw new GleanerError('MODEL_NOT_PULLED', { name: model.name, problem, hint: '' });
  }
  const lock = await readLock(dir, model);
  const pulled: PulledFile[] = [];
  for (const path of [...model.configs, ...networks]) {
    signal?.throwIfAborted();
    const file = await pullFile(options, path, lock.files[path]?.sha256);
    pulled.push(file);
    lock.files[path] = { bytes: file.bytes, sha256: file.sha256 };
    // After each file: what came is what the next start must get, also where this one ends early.
    await fileStorage(dir).put(LOCK_FILE, `${JSON.stringify(lock, null, 1)}\n`);
  }
  await readModelFolder(dir, { variant });
  return pulled;
}

async function readLock(dir: string, { name, repository, revision }: KnownModel): Promise<Lock> {
  const empty: Lock = { version: 1, repository, revision, files: {} };
  const path = join(dir, LOCK_FILE);
  if ((await fileStorage(dir).size(LOCK_FILE)) === undefined) return empty;
  const parsed = lockSchema.safeParse(parseJson(await readFile(path, 'utf8')));
  if (!parsed.success)
    throw new GleanerError('DAMAGED', {
      path,
      problem: 'does not tell what was pulled. Remove it, and pull again.',
    });
  if (parsed.data.repository !== repository)
    throw new GleanerError('MODEL_NOT_PULLED', {
      name,
      problem: `${dir} holds ${parsed.data.repository}.`,
      hint: 'Name another folder with --to.',
    });
  return parsed.data;
}

async function pullFile(
  options: PullOptions,
  path: string,
  recorded: string | undefined,
): Promise<PulledFile> {
  const { model, dir } = options;
  const pinned = model.sha256[path];
  const wanted = pinned ?? recorded;
  const checked = pinned !== undefined ? 'pinned' : recorded !== undefined ? 'recorded' : 'new';
  const target = join(dir, path);
  const there = (await whatElse(target)) === undefined ? await digestOf(target) : undefined;
  if (there) {
    const sha256 = there.hash.digest('hex');
    if (wanted === undefined || sha256 === wanted)
      return { path, bytes: there.bytes, sha256, checked, downloaded: false };
  }
  const part = `${target}.part`;
  const { bytes, sha256 } = await download(options, path, part);
  if (wanted !== undefined && sha256 !== wanted) {
    await removePart(part);
    const whose = checked === 'pinned' ? 'that gleaner knows' : `that ${LOCK_FILE} has of the first download`;
    throw notPulled(options, `${path} has the SHA-256 ${sha256}, not ${wanted} ${whose}. It was not kept.`);
  }
  const other = await whatElse(part);
  if (other !== undefined) {
    await removePart(part);
    throw notPulled(options, `${path} is ${other}. It was not kept.`);
  }
  await rename(part, target);
  await removePart(part);
  return { path, bytes, sha256, checked, downloaded: true };
}

/** What comes in place of a file where somebody stands between, and must not be recorded; undefined where it may be the file. */
async function whatElse(path: string): Promise<string | undefined> {
  const head: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: 63 }) as AsyncIterable<Buffer>) head.push(chunk);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const text = Buffer.concat(head).toString('latin1');
  if (/^\s*<(?:!doctype|html)/i.test(text)) return 'a web page, as of a proxy that wants a login';
  // https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
  if (text.startsWith('version https://git-lfs.github.com/spec/'))
    return 'a pointer of Git LFS, not the file';
  return undefined;
}

/** Brings a file whole to `part`, from where an earlier start left it. */
async function download(
  options: PullOptions,
  path: string,
  part: string,
): Promise<{ bytes: number; sha256: string }> {
  const { model, hub = DEFAULT_HUB, retry = RETRY, signal, onProgress } = options;
  const url = `${hub.replace(/\/+$/, '')}/${model.repository}/resolve/${model.revision}/${path}`;
  await mkdir(dirname(part), { recursive: true });
  for (;;) {
    const begun = await readPart(part, url);
    const hash = begun?.hash ?? createHash('sha256');
    let bytes = begun?.from.position ?? 0;
    let total = begun?.from.facts.bytes;
    const onOpen = (facts: ObjectFacts) => {
      total = facts.bytes;
      opened = facts;
    };
    let opened: ObjectFacts | undefined;
    await using file = await open(part, begun ? 'a' : 'w');
    try {
      for await (const chunk of streamLocation(url, {
        from: begun?.from,
        retry,
        onOpen,
        ...(signal && { signal }),
      })) {
        if (opened) {
          await fileStorage(dirname(part)).put(
            `${nameOf(part)}.json`,
            JSON.stringify({ url, facts: opened }),
          );
          opened = undefined;
        }
        await file.writeFile(chunk);
        hash.update(chunk);
        bytes += chunk.length;
        onProgress?.(path, bytes, total);
      }
      await file.sync();
      return { bytes, sha256: hash.digest('hex') };
    } catch (error) {
      if (bytes === 0) await removePart(part);
      signal?.throwIfAborted();
      if (!(error instanceof GleanerError)) throw error;
      // What the hub has may be another file by now (a broken connection would have been the cause): from the start, once.
      const changed = begun !== undefined && error.code === 'FILE_UNREADABLE' && error.cause === undefined;
      if (!changed) throw notPulled(options, error.message, error);
      await removePart(part);
    }
  }
}

const partSchema = z.object({
  url: z.string(),
  facts: z.object({ bytes: z.int().optional(), version: z.string().optional(), strong: z.boolean() }),
});

/** What an earlier start left of a file, if it is known what it is of. */
async function readPart(part: string, url: string) {
  const notes = await readFile(`${part}.json`, 'utf8').catch(() => '');
  const parsed = partSchema.safeParse(parseJson(notes));
  const there = parsed.success && parsed.data.url === url ? await digestOf(part) : undefined;
  if (!parsed.success || !there) return undefined;
  const { bytes, version, strong } = parsed.data.facts;
  return {
    hash: there.hash,
    from: { position: there.bytes, checksum: there.checksum, facts: { bytes, version, strong } },
  };
}

async function removePart(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

/** Hash, not ended yet, and CRC-32 of a file; undefined where there is none. */
async function digestOf(path: string): Promise<{ hash: Hash; bytes: number; checksum: number } | undefined> {
  const hash = createHash('sha256');
  let [bytes, checksum] = [0, 0];
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      checksum = crc32(chunk, checksum);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return { hash, bytes, checksum };
}

function notPulled(
  { model, hub = DEFAULT_HUB, dir, variant = 'fp32' }: PullOptions,
  problem: string,
  cause?: unknown,
) {
  const files = [...model.configs, ...(model.networks[variant] ?? [])].join(', ');
  const page = `${hub.replace(/\/+$/, '')}/${model.repository}/tree/${model.revision}`;
  const hint = `Name a mirror with --hub, or place the files by hand: ${files} from ${page} into ${dir}, folders kept.`;
  return new GleanerError('MODEL_NOT_PULLED', { name: model.name, problem, hint }, { cause });
}

function nameOf(path: string): string {
  return path.slice(dirname(path).length + 1);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
