import { taskName } from '../../../pipeline/index.ts';
import { STAGES } from '../../../pipeline/task.ts';
import type { ProblemRow } from './snapshot.ts';
import type { ProblemGroup } from './types.ts';

/** Groups that are told, the largest first. */
const MAX_GROUPS = 20;

/** Tasks with the same problem together: what differs only by numbers, digests and quoted names is the same. */
export function groupProblems(rows: readonly ProblemRow[]): ProblemGroup[] {
  const groups = Map.groupBy(rows, ({ queue, problem }) => `${queue} ${alike(problem)}`);
  return [...groups.values()]
    .flatMap((tasks) => {
      const [first] = tasks.toSorted((a, b) => a.index - b.index);
      return first
        ? [{ problem: withoutCredentials(first.problem), tasks: tasks.length, example: nameOf(first) }]
        : [];
    })
    .sort((a, b) => b.tasks - a.tasks || a.example.localeCompare(b.example))
    .slice(0, MAX_GROUPS);
}

function alike(problem: string): string {
  return problem.replace(/\b[0-9a-f]{16,}\b/gi, '#').replace(/\d+/g, '#');
}

/** Whether a task is one of its stage's own: what lies between stages, or looks after them, has queues of its own. */
export function isOfStage({ queue, stage }: { readonly queue: string; readonly stage: string }): boolean {
  return queue === stage || queue === `${stage}-gpu`;
}

/** What is no task of a stage has no number: 'plan of dedup'. */
function nameOf(row: ProblemRow): string {
  const { queue, stage, index } = row;
  const known = STAGES.find((name) => name === stage);
  return known && isOfStage(row) ? taskName(known, index) : `${queue} of ${stage}`;
}

/** Without what an address may hold for its reader alone: user, password, signatures. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#]*@)?([^\s?#]*)(?:[?#]\S*)?/gi, '$1$2');
}
