import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetReader, FleetStatus, RunStatus } from '../executors/fleet/status/index.ts';
import { formatCount, formatRate, formatShare } from '../stages/report/numbers.ts';
import { formatFleet } from './fleet-text.ts';
import { Redraw } from './redraw.ts';
import { formatDuration, printable } from './terminal.ts';

/** Between two looks, in milliseconds: on a terminal, and where lines are kept. */
const LOOK_EVERY_MS = 2_000;
const LOG_EVERY_MS = 10_000;
/** A database that takes longer to answer, in milliseconds, is told of. */
const SLOW_MS = 3_000;

export interface WatchFleetOptions {
  readonly out: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

/** Shows a fleet until its runs are done, cannot go on, or nobody wants to see it any more. */
export async function watchFleet(
  reader: FleetReader,
  { out, signal }: WatchFleetOptions,
): Promise<FleetStatus | undefined> {
  const show = out.isTTY ? new Screen(out) : new Log(out);
  while (!signal.aborted) {
    const status = await show.waitFor(reader.read());
    show.show(status);
    if (!status.runs.some(isOpen)) return status;
    await sleep(show.everyMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

function isOpen({ condition }: RunStatus): boolean {
  return condition === 'going' || condition === 'planning';
}

/** Drawn in its place. */
class Screen {
  readonly everyMs = LOOK_EVERY_MS;
  readonly #redraw: Redraw;
  /** Runs that went on while it was looked at: they stay as they are when they have ended. */
  readonly #open = new Set<string>();
  #lines: readonly string[] = [];

  constructor(out: NodeJS.WriteStream) {
    this.#redraw = new Redraw(out);
  }

  show(status: FleetStatus): void {
    for (const run of status.runs) if (isOpen(run)) this.#open.add(run.id);
    const whole = ({ id }: RunStatus) => this.#open.has(id) || status.runs.length === 1;
    this.#lines = [...formatFleet(status, { whole }), '', `as of ${clockOf(status)}`];
    this.#redraw.draw(this.#lines);
  }

  async waitFor<T>(answer: Promise<T>): Promise<T> {
    const timer = setTimeout(
      () => this.#redraw.draw([...this.#lines, 'The database does not answer; asking it again.']),
      SLOW_MS,
    );
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Plain lines: one for each stage under way, and one when it is done. */
class Log {
  readonly everyMs = LOG_EVERY_MS;
  readonly #out: NodeJS.WriteStream;
  /** Lines without their time: what has not changed is not said again. */
  readonly #said = new Map<string, string>();

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(status: FleetStatus): void {
    for (const run of status.runs) {
      for (const stage of run.stages) {
        const { unit, done, tasks, perSecond, etaSeconds, dead, share } = stage;
        const parts = [
          ...[stage.stage.padEnd(8), formatShare(share), `${formatCount(done)}/${formatCount(tasks)} tasks`],
          ...(stage.in === null ? [] : [`${formatCount(stage.in)} ${unit}`]),
          ...(perSecond === null ? [] : [`${formatRate(perSecond)} ${unit}/s`]),
          ...(etaSeconds === null ? [] : [`ETA ${formatDuration(etaSeconds)}`]),
          ...(dead > 0 ? [`${formatCount(dead)} failed too often`] : []),
        ];
        this.#say(status, run, stage.stage, parts.join('  '));
      }
      if (!isOpen(run))
        this.#say(status, run, '', run.condition === 'stuck' ? 'cannot go on' : run.condition);
    }
    for (const warning of status.warnings) this.#say(status, undefined, warning, `! ${printable(warning)}`);
  }

  waitFor<T>(answer: Promise<T>): Promise<T> {
    return answer;
  }

  #say(status: FleetStatus, run: RunStatus | undefined, what: string, line: string): void {
    const key = `${run?.id} ${what}`;
    if (this.#said.get(key) === line) return;
    this.#said.set(key, line);
    this.#out.write(`${clockOf(status)}  ${run ? `${printable(run.name)}  ` : ''}${line}\n`);
  }
}

/** As 03:21:05, in UTC, by the database. */
function clockOf({ at }: FleetStatus): string {
  return `${at.slice(11, 19)} UTC`;
}
