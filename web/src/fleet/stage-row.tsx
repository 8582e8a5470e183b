import type { StageStatus } from '../../../src/service/fleet/page-types.ts';
import { plainLine } from '../text.ts';
import { duration, rate, share, whole } from './format.ts';

/** A stage: its name, how much of it is done, and what goes on. */
export function StageRow({ stage }: { readonly stage: StageStatus }) {
  const { stage: name, unit, tasks, done, active, dead } = stage;
  const title = plainLine(name, 24);
  const width = (n: number) => ({ width: `${Math.min(100, (n / Math.max(1, tasks)) * 100)}%` });
  return (
    <li class="stage">
      <span class="stage-name">{title}</span>
      <div
        class="bar"
        role="progressbar"
        aria-label={`Tasks of ${title}`}
        aria-valuemin={0}
        aria-valuemax={tasks}
        aria-valuenow={done}
        aria-valuetext={`${whole(done)} of ${whole(tasks)} done`}
      >
        <span class="done" style={width(done)} />
        <span class="active" style={width(active)} />
        <span class="dead" style={width(dead)} />
      </div>
      <span class="stage-tasks">
        {whole(done)} of {whole(tasks)}
      </span>
      <span class="stage-counts">
        {stage.in !== null && (
          <>
            {whole(stage.in)} {unit}
          </>
        )}
      </span>
      <span class="stage-kept">
        {stage.in !== null && stage.out !== null && stage.in > 0 && `${share(stage.out / stage.in)} kept`}
      </span>
      <Going stage={stage} />
    </li>
  );
}

function Going({ stage }: { readonly stage: StageStatus }) {
  const { unit, done, tasks, perSecond, etaSeconds, active, queued, blocked, waiting, dead, doneBefore } =
    stage;
  if (done === tasks)
    return doneBefore === tasks ? <span class="stage-going soft">done by an earlier start</span> : null;
  const parts = [
    ...(perSecond === null ? [] : [`${rate(perSecond)} ${unit}/s`]),
    ...(etaSeconds === null ? [] : [`${duration(etaSeconds)} to go`]),
    ...(active > 0 ? [`${whole(active)} under way`] : []),
    ...(queued > 0 ? [`${whole(queued)} free`] : []),
    ...(blocked > 0 ? [`${whole(blocked)} not fetched yet`] : []),
    ...(waiting > 0 ? [`${whole(waiting)} to be tried again`] : []),
    ...(dead > 0 ? [`${whole(dead)} failed too often`] : []),
  ];
  return <span class="stage-going soft">{parts.join(' · ')}</span>;
}
