import { createHash, randomBytes } from 'node:crypto';
import {
  type AuditedShard,
  auditShard,
  SAMPLE,
  type Verdict,
} from '../../src/executors/fleet/volunteer/audit-shard.ts';
import { held, lentPairs, uploadedFiles } from '../../src/executors/fleet/volunteer/places.ts';
import { type Claim, UPLOADED } from '../../src/executors/fleet/volunteer/protocol.ts';
import { type RunLocallyOptions, runLocally } from '../../src/executors/index.ts';
import { resolveRun } from '../../src/executors/run.ts';
import { createParquetWriter } from '../../src/formats/index.ts';
import { loadEngines } from '../../src/pipeline/engines.ts';
import { planStage, type RunSpec, readManifests } from '../../src/pipeline/index.ts';
import type { TaskOf } from '../../src/pipeline/task.ts';
import { Turnstile } from '../../src/stages/budget.ts';
import { harvest } from '../../src/stages/harvest.ts';
import { harvestFiles } from '../../src/stages/harvested.ts';
import type { ImageWatch } from '../../src/stages/image-watch.ts';
import { type PastPair, readPast } from '../../src/stages/past.ts';
import type { StageResult } from '../../src/stages/stage.ts';
import { EXTRACTED_COLUMNS, pairRecord, readPairs } from '../../src/stages/tables.ts';
import { writeFile } from '../../src/stages/write-file.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';

type Engines = Awaited<ReturnType<typeof loadEngines>>;

/** What nobody watches: images are worked on as they come. */
const UNWATCHED: ImageWatch = {
  suspects: new Set(),
  fatal: new Set(),
  turnstile: new Turnstile(2),
  journal: () => () => undefined,
  underWay: () => () => undefined,
  hungry: () => undefined,
};
const signal = new AbortController().signal;
const ctx = (storage: Storage) => ({ storage, signal, progress: () => undefined });

/** Bytes of the files of a shard, to be changed. */
export type SentFiles = Record<(typeof UPLOADED)[number], Uint8Array>;

/** Makes shards that are not as they should be, of one that is, and has them audited. */
export class Forger implements AsyncDisposable {
  readonly storage: Storage;
  readonly spec: RunSpec;
  readonly engines: Engines;
  readonly task: TaskOf<'harvest'>;
  /** What an honest harvest comes to. */
  readonly honest: readonly PastPair[];
  readonly #lent: number;

  private constructor(
    storage: Storage,
    spec: RunSpec,
    engines: Engines,
    task: TaskOf<'harvest'>,
    honest: readonly PastPair[],
  ) {
    this.storage = storage;
    this.spec = spec;
    this.engines = engines;
    this.task = task;
    this.honest = honest;
    this.#lent = honest.length;
  }

  /** @param named a run whose harvest is one task */
  static async open(named: Omit<RunLocallyOptions, 'out'>, out: string): Promise<Forger> {
    await runLocally({ ...named, out, until: 'dedup', workers: 1 });
    const storage = fileStorage(out);
    const spec = await resolveRun({ ...named, out });
    const [task] = planStage('harvest', spec, { dedup: await readManifests(storage, 'dedup') });
    if (task?.stage !== 'harvest') throw new Error('a task of harvest');
    const engines = await loadEngines(spec, 1, out);
    const pairs = () => readPairs(storage, task.unique.path, task.rowStart, task.rowEnd);
    const made = await harvest('honest', pairs(), spec.recipe, engines, ctx(storage));
    if (made.files.length === 0) throw new Error('a shard');
    const honest: PastPair[] = [];
    for await (const item of readPast(storage, harvestFiles('honest'), pairs(), new Set())) {
      if (!('past' in item)) continue;
      const { past } = item;
      if (!past.kept) honest.push(item);
      else {
        const jpeg = await past.jpeg();
        honest.push({ ...item, past: { ...past, jpeg: async () => jpeg } });
      }
    }
    return new Forger(storage, spec, engines, task, honest);
  }

  /**
   * Sends a shard and has it audited.
   * @param change what is said of each pair
   * @param changeFiles of the shard that comes of it
   * @param changeClaim what is said of it, after checksums were taken
   */
  async audit(
    change: (items: readonly PastPair[]) => readonly PastPair[] = (items) => items,
    changeFiles: (files: SentFiles) => void = () => undefined,
    changeClaim: (claim: Claim) => Claim = (claim) => claim,
    sample = SAMPLE,
  ): Promise<Verdict> {
    const loan = randomBytes(16).toString('hex');
    await writeFile(this.storage, lentPairs(loan), async (sink) => {
      const writer = createParquetWriter(sink, EXTRACTED_COLUMNS);
      await writer.writeRowGroup(this.honest.map(({ pair }) => pairRecord(pair)));
      await writer.finish();
    });
    const { recipe } = this.spec;
    const items = async function* () {
      yield* change(forged);
    };
    const forged = this.honest;
    const made = await harvest('forged', items(), recipe, this.engines, ctx(this.storage));
    const files = await this.#read();
    changeFiles(files);
    for (const name of UPLOADED) await this.storage.put(`${held(loan)}/${name}`, files[name]);
    const claim = changeClaim(claimOf(made, files));
    const shard: AuditedShard = {
      ...{ loan, task: this.task, lent: this.#lent, claim, sample },
      seed: randomBytes(8).toString('hex'),
    };
    return auditShard(this.storage, shard, {
      ...{ recipe, engines: this.engines, watch: UNWATCHED, signal },
      progress: () => undefined,
    });
  }

  async #read(): Promise<SentFiles> {
    const names = uploadedFiles('forged');
    const read = await Promise.all(
      UPLOADED.map(async (name) => [name, new Uint8Array(await this.storage.read(names[name]))] as const),
    );
    return Object.fromEntries(read) as SentFiles;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engines[Symbol.asyncDispose]();
  }
}

/** What a machine would say of a shard. */
export function claimOf({ ledgers, facts }: StageResult, files: SentFiles): Claim {
  return {
    ledgers: JSON.parse(JSON.stringify(ledgers)),
    rows: Number(facts?.rows),
    seconds: 1,
    cpuSeconds: 1,
    files: UPLOADED.map((name) => ({
      name,
      bytes: files[name].length,
      sha256: createHash('sha256').update(files[name]).digest('hex'),
    })),
  };
}
