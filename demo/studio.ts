/** Makes the files of drafted pictures, and what their hosts answer. */
import type { Draft } from './drafts.ts';
import type { Answer, Host, Place, Resource } from './model.ts';
import { makePictures, type RasterFormat } from './pictures.ts';
import { Random } from './random.ts';

/** Drawings in the making at once: rendering and encoding run on libuv's threads, painting on this one. */
const IN_FLIGHT = 3;

const CONTENT_TYPES = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  svg: 'image/svg+xml',
} as const;

/** The head of a file, by which its format is known, and nothing that fits after it. */
export function broken(bytes: Uint8Array, format: RasterFormat, random: Random): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  // 32 bytes hold PNG's IHDR and WebP's RIFF and VP8 heads; of a JPEG its JFIF segment, but no frame. 0xff is left
  // out, so that no marker of a JPEG comes about.
  for (let at = 32; at < damaged.length; at++) damaged[at] = random.int(0, 0xfe);
  // One in four times VP8 takes whatever comes for pixels; not where its first part is longer than the file (RFC 6386, 9.1).
  if (format === 'webp') damaged.fill(0xff, 21, 23);
  return damaged;
}

function filesOf({ fate, picture, spec, index }: Draft, file: Uint8Array | undefined, seed: number): Answer {
  const random = new Random(seed, `answer ${index}`);
  if (fate.answer === 'svg') {
    const bytes = new TextEncoder().encode(picture.subject.drawing.svg);
    return { kind: 'body', type: CONTENT_TYPES.svg, bytes };
  }
  if (file === undefined || spec === undefined) return { kind: 'missing' };
  // Some servers do not know what they send; the content decides.
  const type = random.chance(0.05) ? 'application/octet-stream' : CONTENT_TYPES[spec.format];
  switch (fate.answer) {
    case 'truncated':
      return {
        kind: 'body',
        type,
        bytes: file.subarray(0, Math.floor(file.length * (0.4 + 0.3 * random.unit()))),
      };
    case 'broken':
      return { kind: 'body', type, bytes: broken(file, spec.format, random) };
    case 'slow':
      return { kind: 'stall', type, bytes: file, sent: random.chance(0.5) ? 0 : 2000 };
    default:
      return { kind: 'body', type, bytes: file };
  }
}

const STATUSES = [301, 302, 307, 308] as const;

/** What is found at, and behind, the place of a picture. */
function resourcesOf(draft: Draft, answer: Answer, hosts: readonly Host[], seed: number): Resource[] {
  const { host, path } = draft.picture;
  const random = new Random(seed, `redirect ${draft.index}`);
  const here = (to: Place): Resource => ({ host, path, answer: redirect(to) });
  const redirect = (to: Place): Answer => ({ kind: 'redirect', status: random.pick(STATUSES), to });
  const anyOpen = hosts.flatMap(({ role }, index) => (role === 'open' ? [index] : []));
  switch (draft.fate.answer) {
    case 'not-found':
      return [];
    case 'loop': {
      if (random.chance(0.5)) return [here({ host, path })];
      const other = { host: random.pick(anyOpen), path: `/back/${draft.index}` };
      return [here(other), { ...other, answer: redirect({ host, path }) }];
    }
    case 'redirect': {
      const end = { host: random.pick(anyOpen), path: `/files/${draft.index}` };
      if (random.chance(0.6)) return [here(end), { ...end, answer }];
      const middle = { host, path: `/moved/${draft.index}` };
      return [here(middle), { ...middle, answer: redirect(end) }, { ...end, answer }];
    }
    default:
      return [{ host, path, answer }];
  }
}

/**
 * Makes all files. Takes about 13 CPU-milliseconds a picture, 7 of them for rendering.
 *
 * @param onProgress - Called with the number of pictures that are done.
 * @returns what the hosts answer to requests for pictures
 */
export async function makeResources(
  drafts: readonly Draft[],
  hosts: readonly Host[],
  seed: number,
  onProgress: (done: number) => void,
): Promise<Resource[]> {
  const bySubject = new Map<string, Draft[]>();
  for (const draft of drafts) {
    const { id } = draft.picture.subject.drawing;
    bySubject.set(id, [...(bySubject.get(id) ?? []), draft]);
  }
  const answers = new Map<number, Answer>();
  const work = bySubject.values();
  const worker = async (): Promise<void> => {
    for (const group of work) {
      const made = group.filter(({ spec }) => spec !== undefined);
      const svg = group[0]?.picture.subject.drawing.svg ?? '';
      const files = await makePictures(
        svg,
        made.flatMap(({ spec }) => spec ?? []),
      );
      for (const draft of group) answers.set(draft.index, filesOf(draft, files[made.indexOf(draft)], seed));
      onProgress(answers.size);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return drafts.flatMap((draft) =>
    resourcesOf(draft, answers.get(draft.index) ?? { kind: 'missing' }, hosts, seed),
  );
}
