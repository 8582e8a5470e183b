import type {
  PageStatus,
  ProblemGroup,
  RunStatus,
  StageStatus,
} from '../../../src/service/fleet/page-types.ts';
import { count, plainLine } from '../text.ts';
import { duration, money, nameOf, rate, share, whole } from './format.ts';
import { Sparkline } from './sparkline.tsx';
import { StageRow } from './stage-row.tsx';

/** Reasons that have a bar of their own. */
const MAX_REASONS = 8;

const CONDITIONS: Readonly<Record<RunStatus['condition'], string>> = {
  going: 'running',
  planning: 'planning what comes next',
  stuck: 'cannot go on',
  done: 'done',
  cancelled: 'cancelled',
};

interface Props {
  readonly run: RunStatus;
  readonly history: PageStatus['history'];
  /** The database's time, in milliseconds since 1970. */
  readonly at: number;
}

/** A run that is under way. */
export function RunCard({ run, history, at }: Props) {
  const { stages, condition, allPlanned } = run;
  const open = stages.find(({ done, tasks }) => done < tasks);
  const last = stages.at(-1);
  return (
    <section class="card" aria-label={`Run ${nameOf(run.name)}`}>
      <div class="run-head">
        <div>
          <h2>
            <bdi>{nameOf(run.name)}</bdi>
          </h2>
          <p class="soft">
            <span class={condition === 'stuck' ? 'condition stuck' : 'condition'}>
              {CONDITIONS[condition]}
            </span>
            {' for '}
            {duration(run.seconds)}
            {run.location !== null && (
              <>
                , in <bdi>{plainLine(run.location, 200)}</bdi>
              </>
            )}
          </p>
        </div>
        {run.etaSeconds !== null && (
          <p class="eta">
            <span class="soft">{allPlanned ? 'Time left' : 'Time left, at least'}</span>
            <strong>{duration(run.etaSeconds)}</strong>
          </p>
        )}
      </div>
      <ul class="stages">
        {stages.map((stage) => (
          <StageRow key={stage.stage} stage={stage} />
        ))}
      </ul>
      {!allPlanned && last && condition === 'going' && (
        <p class="soft">What comes after {plainLine(last.stage, 24)} is planned when it is done.</p>
      )}
      <Parts run={run} open={open} history={history} at={at} />
    </section>
  );
}

/** What stands below the stages: nothing where nothing was done yet. */
function Parts({ run, open, history, at }: Props & { readonly open: StageStatus | undefined }) {
  const { dropped, dead, retrying, cost } = run;
  const hasRate = open !== undefined && open.perSecond !== null;
  if (!hasRate && cost.cpuHours === 0 && dropped.length + dead.length + retrying.length === 0) return null;
  return (
    <div class="run-parts">
      <div class="run-figures">
        {hasRate && (
          <section>
            <h3>Rate</h3>
            <p>
              <span class="figure">{rate(open.perSecond ?? 0)}</span> {open.unit} a second
            </p>
            <Sparkline
              unit={open.unit}
              samples={[
                ...(history[run.id] ?? []).filter(({ stage }) => stage === open.stage),
                { at, stage: open.stage, perSecond: open.perSecond ?? 0 },
              ]}
            />
          </section>
        )}
        {cost.cpuHours > 0 && <Cost run={run} />}
        {dead.length > 0 && <Problems title="Tasks that failed too often" groups={dead} />}
        {retrying.length > 0 && <Problems title="Tasks to be tried again" groups={retrying} />}
      </div>
      {dropped.length > 0 && <Dropped run={run} />}
    </div>
  );
}

function Cost({ run: { cost, allPlanned } }: { readonly run: RunStatus }) {
  const { cpuHours, gpuHours, soFar, cpuHoursLeft, left } = cost;
  const hours = (n: number) => rate(Number(n.toPrecision(3)));
  return (
    <section>
      <h3>Cost</h3>
      <p>
        <span class="figure">{soFar === null ? hours(cpuHours) : money(soFar)}</span>{' '}
        {soFar === null ? 'CPU-hours' : `for ${hours(cpuHours)} CPU-hours`}
        {gpuHours > 0 && ` and ${hours(gpuHours)} GPU-hours`}
      </p>
      {cpuHoursLeft !== null && cpuHoursLeft > 0 && (
        <p>
          {allPlanned ? '' : 'At least '}
          {hours(cpuHoursLeft)} CPU-hours to go{left !== null && `: ${money(left)}`}
        </p>
      )}
      <p class="soft">
        CPU time of tasks that are done. Idle machines, failed attempts, storage and traffic are not in it.
      </p>
    </section>
  );
}

function Dropped({ run: { dropped } }: { readonly run: RunStatus }) {
  const total = dropped.reduce((sum, { count: n }) => sum + n, 0);
  const most = dropped[0]?.count ?? 1;
  const rest = dropped.slice(MAX_REASONS);
  return (
    <section>
      <h3>Dropped, by reason</h3>
      <ul class="reasons">
        {dropped.slice(0, MAX_REASONS).map(({ reason, title, count: n }) => (
          <li key={reason}>
            <span>{plainLine(title, 80)}</span>
            <span class="number">{whole(n)}</span>
            <span class="number soft">{share(n / total)}</span>
            <span class="thin" aria-hidden="true">
              <span style={{ width: `${(n / most) * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
      {rest.length > 0 && (
        <p class="soft">
          {count(rest.length, 'more reason', 'more reasons')}:{' '}
          {whole(rest.reduce((sum, { count: n }) => sum + n, 0))}
        </p>
      )}
    </section>
  );
}

function Problems({ title, groups }: { readonly title: string; readonly groups: readonly ProblemGroup[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <ul class="problems">
        {groups.map(({ problem, tasks, example }) => (
          <li key={example}>
            <p>
              <strong>{count(tasks, 'task', 'tasks')}</strong>
              {tasks === 1 ? ': ' : ', as '}
              {plainLine(example, 64)}
            </p>
            {problem !== null && (
              <p class="soft">
                <bdi>{plainLine(problem, 300)}</bdi>
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
