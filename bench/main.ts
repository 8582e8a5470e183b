/** `npm run bench -- NAME [OPTIONS]`: one file a benchmark. What they printed last stands in docs/benchmarks.md. */
const BENCHMARKS: Readonly<Record<string, () => Promise<{ bench(args: readonly string[]): Promise<void> }>>> =
  {
    extract: () => import('./extract.ts'),
    dedup: () => import('./dedup.ts'),
    embed: () => import('./embed.ts'),
    clip: () => import('./clip.ts'),
    'clip-client': () => import('./clip-client.ts'),
    language: () => import('./language.ts'),
    run: () => import('./run.ts'),
    sources: () => import('./sources.ts'),
    split: () => import('./split.ts'),
    'split-release': () => import('./split-release.ts'),
    'split-leak': () => import('./split-leak.ts'),
    loader: () => import('./loader.ts'),
    subset: () => import('./subset.ts'),
    download: () => import('./download.ts'),
    'download-mix': () => import('./download-mix.ts'),
    'download-readers': () => import('./download-readers.ts'),
    fetch: () => import('./fetch.ts'),
    harvest: () => import('./harvest.ts'),
    'harvest-peers': () => import('./harvest-peers.ts'),
    near: () => import('./near.ts'),
    image: () => import('./image.ts'),
    stats: () => import('./stats.ts'),
    int8: () => import('./int8.ts'),
    release: () => import('./release.ts'),
    'release-readers': () => import('./release-readers.ts'),
    'known-content': () => import('./known-content.ts'),
    map: () => import('./map.ts'),
    takedown: () => import('./takedown.ts'),
    'index-add': () => import('./index-add.ts'),
    knn: () => import('./knn.ts'),
    queue: () => import('./queue.ts'),
    audit: () => import('./audit.ts'),
    serve: () => import('./serve.ts'),
    'fleet-status': () => import('./fleet-status.ts'),
    s3: () => import('./s3.ts'),
    'train-step': () => import('./train-step.ts'),
  };

const [name = '', ...args] = process.argv.slice(2);
const load = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
if (load) await (await load()).bench(args);
else {
  process.stderr.write(`bench: which one? npm run bench -- ${Object.keys(BENCHMARKS).join(' | ')}\n`);
  process.exitCode = 2;
}
