import type { RunStatus } from '../../../src/service/fleet/page-types.ts';
import { WheatIcon } from '../icons.tsx';
import { Table } from '../table.tsx';
import { plainLine } from '../text.ts';
import { duration, nameOf, when } from './format.ts';
import { RunCard } from './run-card.tsx';
import { useStatus } from './use-status.ts';
import { Volunteers, Workers } from './workers.tsx';

export function FleetApp() {
  const { page, problem } = useStatus();
  const isEnded = ({ condition }: RunStatus) => condition === 'done' || condition === 'cancelled';
  const status = page?.status;
  return (
    <div class="page fleet">
      <header>
        <span class="brand">
          <WheatIcon />
          <span>gleaner</span>
        </span>
        <h1>Fleet</h1>
        {status && (
          <p class="soft as-of">
            <span class={problem === '' ? 'pulse' : 'pulse still'} aria-hidden="true" />
            As of {new Date(status.at).toLocaleTimeString('en', { hour12: false })}
          </p>
        )}
      </header>
      <main>
        {problem !== '' && (
          <p class="notice" role="alert">
            {problem} {page ? 'What stands here is as it was last; it is asked again.' : 'It is asked again.'}
          </p>
        )}
        {!page && problem === '' && <div class="card waiting loading" aria-hidden="true" />}
        {page && status && (
          <>
            {status.warnings.length > 0 && (
              <ul class="warnings" aria-label="To be done">
                {status.warnings.map((warning) => (
                  <li key={warning} class="notice">
                    <bdi>{plainLine(warning, 300)}</bdi>
                  </li>
                ))}
              </ul>
            )}
            {status.runs.length === 0 && (
              <div class="message">
                <p>No run was submitted to this fleet yet. Begin one with: gleaner submit</p>
              </div>
            )}
            {status.runs
              .filter((run) => !isEnded(run))
              .map((run) => (
                <RunCard key={run.id} run={run} history={page.history} at={Date.parse(status.at)} />
              ))}
            <Workers status={status} isPublic={page.isPublic} />
            <Volunteers volunteers={status.volunteers} />
            <Ended runs={status.runs.filter(isEnded)} />
          </>
        )}
      </main>
      <footer>
        <p>Rates are those of the last minute. The page renews itself.</p>
        <p>
          <a href="/metrics">Metrics</a> · <a href="/api/status">JSON</a>
        </p>
      </footer>
    </div>
  );
}

function Ended({ runs }: { readonly runs: readonly RunStatus[] }) {
  if (runs.length === 0) return null;
  return (
    <section class="card">
      <h2>Ended</h2>
      <Table
        label="Runs that have ended"
        texts={2}
        head={['Run', 'State', 'Took', 'Ended']}
        rows={runs.map(({ name, condition, seconds, finishedAt }) => [
          <bdi key="name">{nameOf(name)}</bdi>,
          condition,
          finishedAt === null ? '' : duration(seconds),
          finishedAt === null ? '' : when(finishedAt),
        ])}
      />
    </section>
  );
}
