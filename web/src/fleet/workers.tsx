import type { FleetStatus, VolunteerStatus, WorkerStatus } from '../../../src/service/fleet/page-types.ts';
import { Table } from '../table.tsx';
import { plainLine } from '../text.ts';
import { bytes, duration, nameOf, rate, when, whole } from './format.ts';

interface Props {
  readonly status: FleetStatus;
  readonly isPublic: boolean;
}

export function Workers({ status: { workers, workerCounts }, isPublic }: Props) {
  const counts = Object.entries(workerCounts).filter(([, n]) => n > 0);
  const all = counts.reduce((sum, [, n]) => sum + n, 0);
  if (all === 0) return null;
  return (
    <section class="card">
      <h2>Workers</h2>
      <p class="soft">{counts.map(([state, n]) => `${whole(n)} ${state}`).join(' · ')}</p>
      <Table
        label="Workers"
        texts={isPublic ? 3 : 4}
        head={[
          'Name',
          ...(isPublic ? [] : ['Host']),
          ...['State', 'Stages', 'Busy', 'Memory', 'Now', 'Heard of'],
        ]}
        rows={workers.map((worker) => [
          <bdi key="name">{nameOf(worker.name)}</bdi>,
          ...(isPublic ? [] : [<bdi key="host">{plainLine(worker.host ?? '', 64)}</bdi>]),
          <span key="state" class={worker.state === 'lost' ? 'condition stuck' : undefined}>
            {worker.state}
            {worker.kind === 'volunteer' && ', volunteer'}
            {worker.gpu && ', GPU'}
          </span>,
          worker.stages.map((stage) => plainLine(stage, 24)).join(', '),
          `${worker.busy} of ${worker.slots}`,
          memoryOf(worker),
          Object.entries(worker.doing)
            .map(([stage, n]) => `${plainLine(stage, 24)} ${rate(Number(n.toPrecision(3)))}/s`)
            .join(', '),
          `${duration(worker.seenSecondsAgo)} ago`,
        ])}
      />
      {all > workers.length && <p class="soft">And {whole(all - workers.length)} more.</p>}
    </section>
  );
}

function memoryOf({ memoryBytes, memoryLimitBytes }: WorkerStatus): string {
  return memoryLimitBytes > 0 ? `${bytes(memoryBytes)} of ${bytes(memoryLimitBytes)}` : bytes(memoryBytes);
}

/** Who lends a machine, by what was accepted of it. */
export function Volunteers({ volunteers }: { readonly volunteers: readonly VolunteerStatus[] }) {
  if (volunteers.length === 0) return null;
  return (
    <section class="card">
      <h2>Volunteers</h2>
      <Table
        label="Volunteers, by the pairs that they worked on"
        head={['Name', 'Place', 'Pairs', 'Tasks', 'Since']}
        rows={volunteers.map(({ name, pairs, tasks, since }, i) => [
          <bdi key="name">{nameOf(name)}</bdi>,
          // Who has as many pairs has the same place.
          String(
            volunteers.findIndex((other) => other.pairs === pairs && other.tasks === tasks) + 1 || i + 1,
          ),
          whole(pairs),
          whole(tasks),
          when(since),
        ])}
      />
    </section>
  );
}
