import { createHash } from 'node:crypto';
import { canonicalJson, type NearRules } from '../config/index.ts';
import type { Reason } from '../schema/index.ts';
import type { FetchedShard } from '../stages/fetched-source.ts';
import type { ReleaseFiles } from '../stages/released.ts';
import type { FileInfo } from '../storage/index.ts';

/**
 * The stages of a run, in order. Each begins when the one before is done. A run has no task of `select`, one of `fetch`
 * only where that is asked for apart from the harvest, and a subset, which is made of another run's release, none of those
 * before.
 */
export const STAGES = [
  'extract',
  'dedup',
  'fetch',
  'harvest',
  'near',
  'select',
  'release',
  'trail',
  'report',
] as const;
export type StageName = (typeof STAGES)[number];

/** A harvested shard as the release reads it: rows [firstRow, firstRow + rows) of the release. */
export interface HarvestedShard {
  readonly firstRow: number;
  readonly rows: number;
  readonly folder: string;
  /** sha256 of what a release is made of: another harvest of the same pairs is another input. */
  readonly sha256: readonly string[];
  /** Names rows of the shard that the release neither takes nor numbers; `rows` counts the others. */
  readonly leftOut?: FileInfo;
}

/** The files of one part of a release. */
export type ReleaseFileInfos = Readonly<Record<keyof ReleaseFiles, FileInfo>>;

/** Rows of one part of the parent that stand in a part of a subset: see `TakenSlice`. */
export interface TakenFromParent {
  readonly from: ReleaseFileInfos;
  readonly selected: FileInfo;
  readonly start: number;
  readonly end: number;
}

/** Pairs [rowStart, rowEnd) of a file of unique/: what a task of harvest, or of fetch, is about. */
export interface PairRows {
  readonly unique: FileInfo;
  readonly rowStart: number;
  readonly rowEnd: number;
}

/** One task: plain data, so that it can go to a worker thread or through a queue. */
export type Task =
  | { readonly stage: 'extract'; readonly index: number; readonly wat: InputFile; readonly buckets: number }
  | {
      readonly stage: 'dedup';
      readonly index: number;
      readonly buckets: number;
      readonly pairs: readonly FileInfo[];
    }
  | ({ readonly stage: 'fetch'; readonly index: number } & PairRows)
  | ({
      readonly stage: 'harvest';
      readonly index: number;
      /** The shard that it has, of which only what was dropped for some reasons is harvested again. */
      readonly past?: { readonly folder: string; readonly reasons: readonly Reason[] };
      /** What was fetched for it: images are asked for there, and nowhere else. */
      readonly fetched?: FetchedShard;
    } & PairRows)
  | {
      readonly stage: 'near';
      readonly index: number;
      readonly rules: NearRules;
      readonly shards: readonly Pick<HarvestedShard, 'rows' | 'folder' | 'sha256'>[];
    }
  | {
      readonly stage: 'select';
      readonly index: number;
      /** Of a part of the parent's release. */
      readonly metadata: FileInfo;
      readonly rows: number;
      readonly generation: number;
      readonly gone: number;
    }
  | {
      readonly stage: 'release';
      readonly index: number;
      readonly parts: number;
      readonly rowStart: number;
      readonly rowEnd: number;
      readonly shards: readonly HarvestedShard[];
      /** In place of shards, of a subset. */
      readonly taken?: readonly TakenFromParent[];
    }
  | {
      readonly stage: 'trail';
      readonly index: number;
      readonly dropped: readonly FileInfo[];
      /** The released trail of the parent, of a subset. */
      readonly inherited?: readonly FileInfo[];
    }
  | {
      readonly stage: 'report';
      readonly index: number;
      readonly release: readonly FileInfo[];
    };

export type TaskOf<S extends StageName> = Extract<Task, { stage: S }>;

/** A file that the user named. */
export interface InputFile {
  /** Absolute path, or the URL: http:, https: or s3:. */
  readonly path: string;
  /** Its base name: what the trail and the fingerprint call it, so that a run can be moved, or go on from a mirror. */
  readonly name: string;
  /** Of a crawl of many files this is the mean of some of them; the same each time that the crawl is resolved. */
  readonly bytes: number;
}

/** As 'extract/00003': names the task within its run. */
export function taskName(stage: StageName, index: number): string {
  return `${stage}/${String(index).padStart(5, '0')}`;
}

/** Names what a task will do. `run` is the fingerprint of the run that it belongs to. */
export function taskFingerprint(run: string, task: Task): string {
  return createHash('sha256')
    .update(canonicalJson({ run, task: byContent(task) }))
    .digest('hex');
}

/** Leaves out where things lie on this machine, or in which attempt's folder. */
function byContent(task: Task): unknown {
  switch (task.stage) {
    case 'extract':
      return { ...task, wat: { name: task.wat.name, bytes: task.wat.bytes } };
    case 'harvest': {
      // What a retry leaves is what one good harvest leaves, and so is what is made of images that were fetched before.
      const { past: _past, fetched: _fetched, ...same } = task;
      return same;
    }
    case 'near':
      return { ...task, shards: task.shards.map(({ folder: _folder, ...shard }) => shard) };
    case 'release':
      return {
        ...task,
        shards: task.shards.map(({ folder: _folder, leftOut, ...shard }) => ({
          ...shard,
          ...(leftOut && { leftOut: leftOut.sha256 }),
        })),
      };
    case 'trail':
      return { ...task, dropped: task.dropped.map(({ sha256 }) => sha256) };
    default:
      return task;
  }
}
