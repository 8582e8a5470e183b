import type { Selection } from '../stages/subset/step.ts';
import { goneFrom, type ParentRelease } from './parent.ts';
import { type Finished, fileOf, partCount, planReport, rowsOf } from './plan.ts';
import type { RunSpec } from './run-file.ts';
import type { StageName, TakenFromParent, Task, TaskOf } from './task.ts';

/** What a subset is made of. */
export interface SubsetSpec extends Selection {
  readonly parent: ParentRelease;
}

/** The tasks of a stage of a subset: as `planStage`, a pure function of the run and of what the stages before have left. */
export function planSubset(
  stage: StageName,
  spec: RunSpec,
  { parent }: SubsetSpec,
  finished: Finished,
): readonly Task[] {
  switch (stage) {
    case 'select':
      return planSelect(parent);
    case 'release':
      return planParts(spec, parent, finished);
    case 'trail': {
      const dropped = (finished.select ?? []).map((m) => fileOf(m, (path) => path.startsWith('dropped/')));
      return [{ stage, index: 0, dropped, inherited: parent.dropped }];
    }
    case 'report':
      return planReport(finished);
    default:
      return [];
  }
}

function planSelect(parent: ParentRelease): TaskOf<'select'>[] {
  return parent.parts.map(({ files, rows }, index) => ({
    stage: 'select',
    index,
    metadata: files.metadata,
    rows,
    generation: parent.steps.length + 1,
    gone: index === 0 ? goneFrom(parent) : 0,
  }));
}

function planParts(spec: RunSpec, parent: ParentRelease, finished: Finished): TaskOf<'release'>[] {
  const chosen: (TakenFromParent & { readonly firstRow: number })[] = [];
  let rows = 0;
  for (const [i, manifest] of (finished.select ?? []).entries()) {
    const from = parent.parts[i]?.files;
    if (!from) throw new Error(`${manifest.task} is of a part that the parent does not have`);
    const selected = fileOf(manifest, (path) => path.startsWith('selected/'));
    chosen.push({ firstRow: rows, from, selected, start: 0, end: rowsOf(manifest) });
    rows += rowsOf(manifest);
  }
  const parts = partCount(spec, rows);
  return Array.from({ length: parts }, (_, index) => {
    const [rowStart, rowEnd] = [Math.floor((index * rows) / parts), Math.floor(((index + 1) * rows) / parts)];
    const taken = chosen.flatMap(({ firstRow, end, ...slice }) => {
      const [from, to] = [Math.max(0, rowStart - firstRow), Math.min(end, rowEnd - firstRow)];
      return from < to ? [{ ...slice, start: from, end: to }] : [];
    });
    return { stage: 'release', index, parts, rowStart, rowEnd, shards: [], taken };
  });
}
