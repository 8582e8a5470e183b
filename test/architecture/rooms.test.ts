import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** From the bottom to the top; rooms of one line do not import each other. See docs/architecture.md. */
const LAYERS = [
  ['schema'],
  ['storage'],
  ['formats'],
  ['image', 'fetcher', 'knn'],
  ['clip', 'fulltext'],
  ['safety'],
  ['config'],
  ['stages'],
  ['pipeline', 'loader'],
  ['executors'],
  ['service'],
  ['cli'],
];
const level = new Map(LAYERS.flatMap((rooms, i) => rooms.map((room) => [room, i] as const)));

/** Files of src with the files that each imports, types included. */
function imports(): { file: string; target: string }[] {
  return globSync('src/**/*.ts', { cwd: root }).flatMap((file) => {
    const { module } = parseSync(file, readFileSync(join(root, file), 'utf8'));
    const specifiers = [
      ...module.staticImports.map((i) => i.moduleRequest.value),
      ...module.staticExports.flatMap((e) => e.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ];
    return [...new Set(specifiers)]
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => ({ file, target: relative('.', normalize(join(dirname(file), specifier))) }));
  });
}

/** What a file of src loads as it is loaded itself: no types, nothing that is imported later. */
function valueImports(file: string): string[] {
  if (!file.startsWith('src/')) return [];
  const { module } = parseSync(file, readFileSync(join(root, file), 'utf8'));
  const imported = module.staticImports
    .filter(({ entries }) => entries.length === 0 || entries.some(({ isType }) => !isType))
    .map(({ moduleRequest }) => moduleRequest.value);
  const exported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ isType, moduleRequest }) => (isType ? [] : (moduleRequest?.value ?? []))),
  );
  return [...new Set([...imported, ...exported])];
}

const roomOf = (file: string) => file.split('/')[1] ?? '';

describe('rooms', () => {
  const all = imports();

  it('reads imports', () => {
    expect(all).toContainEqual({ file: 'src/schema/row.ts', target: 'src/schema/pair.ts' });
    expect(all.length).toBeGreaterThan(200);
  });

  it('knows every room', () => {
    const rooms = globSync('src/*/', { cwd: root }).map(roomOf);
    expect(rooms.filter((room) => !level.has(room))).toEqual([]);
  });

  it('has arrows only downward', () => {
    const wrong = all.filter(({ file, target }) => {
      if (file === 'src/index.ts' || roomOf(file) === roomOf(target)) return false;
      return (level.get(roomOf(target)) ?? Number.POSITIVE_INFINITY) >= (level.get(roomOf(file)) ?? -1);
    });
    expect(wrong).toEqual([]);
  });

  it('loads no native code in threads before a stage wants it', () => {
    // Ended while it loads some, a thread may take the process with it; and loading costs each of them its time.
    const native = /^(?:sharp|@julusian\/jpeg-turbo|onnxruntime-node)/;
    const loaded = (entry: string) => {
      const seen = new Set([entry]);
      for (const file of seen)
        for (const specifier of valueImports(file))
          seen.add(specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier);
      return [...seen].filter((name) => native.test(name));
    };
    expect(loaded('src/executors/worker.ts')).toEqual([]);
    expect(loaded('src/stages/release.ts')).toEqual([]);
    for (const file of ['stages/fetch.ts', 'pipeline/ask-engines.ts'])
      expect(loaded(`src/${file}`)).toEqual([]);
    expect(loaded('src/image/index.ts')).toEqual(['@julusian/jpeg-turbo', 'sharp']);
  });

  it('has no import from outside src', () => {
    expect(all.filter(({ target }) => !target.startsWith('src/'))).toEqual([]);
  });
});
