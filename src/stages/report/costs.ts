/** What a stage took, added up over its tasks. Of one machine and one run: never part of a release. */
export interface StageCost {
  readonly stage: string;
  readonly tasks: number;
  /** What it worked on, and how many. */
  readonly things: number;
  readonly unit: string;
  /** Wall time of its tasks, in seconds; tasks that ran side by side count each by itself. */
  readonly taskSeconds: number;
  /** CPU time, user and system, in seconds; null where a manifest does not say, as those of earlier versions. */
  readonly cpuSeconds: number | null;
}

/** A stage's cost at a price, and all of them added up. */
export interface PricedCosts {
  readonly stages: readonly (StageCost & PricedCost)[];
  readonly all: PricedCost &
    Pick<StageCost, 'tasks' | 'taskSeconds' | 'cpuSeconds'> & {
      /** Pairs released. */
      readonly rows: number;
      /** Of a million released pairs, if all went on like this; null where there is no cost, or no pair. */
      readonly costPerMillion: number | null;
    };
  /** In what currency the user likes; null where no price was given. */
  readonly pricePerCpuHour: number | null;
}

export interface PricedCost {
  /** In the currency of the price; null where there is no price, or no CPU time. */
  readonly cost: number | null;
  /** Things done in a CPU-second; null where there is no CPU time, or nothing was done. */
  readonly perCpuSecond: number | null;
}

const SECONDS_PER_HOUR = 3600;

/**
 * @param price of a CPU-hour; null where it is not known
 * @param rows pairs released: what all the CPU time together is for
 */
export function priceCosts(stages: readonly StageCost[], price: number | null, rows: number): PricedCosts {
  const priced = (cpuSeconds: number | null, things: number): PricedCost => ({
    cost: price === null || cpuSeconds === null ? null : (cpuSeconds / SECONDS_PER_HOUR) * price,
    perCpuSecond: cpuSeconds === null || cpuSeconds === 0 || things === 0 ? null : things / cpuSeconds,
  });
  const sum = (of: (stage: StageCost) => number) => stages.reduce((total, stage) => total + of(stage), 0);
  const known = stages.length > 0 && stages.every(({ cpuSeconds }) => cpuSeconds !== null);
  const cpuSeconds = known ? sum((stage) => stage.cpuSeconds ?? 0) : null;
  const all = priced(cpuSeconds, rows);
  return {
    stages: stages.map((stage) => ({ ...stage, ...priced(stage.cpuSeconds, stage.things) })),
    all: {
      tasks: sum(({ tasks }) => tasks),
      taskSeconds: sum(({ taskSeconds }) => taskSeconds),
      cpuSeconds,
      rows,
      ...all,
      costPerMillion: all.cost === null || rows === 0 ? null : (all.cost / rows) * 1e6,
    },
    pricePerCpuHour: price,
  };
}
