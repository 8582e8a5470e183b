import type { Recipe } from '../../../config/index.ts';

/**
 * The limits of a recipe for one machine of a fleet: what they say about a domain holds for all machines together. A process or
 * thread still asks a domain for one thing at a time, so more of them than `perDomainConcurrency` are more than it says; the
 * interval between two requests is kept on the mean whatever their number. What bounds a machine (sockets, bytes) stays its own.
 *
 * @param slots of this machine, among which its limits are parted once more (`openWeb`)
 * @param everywhere slots of all machines
 */
export function fetchOfFleet(fetch: Recipe['fetch'], slots: number, everywhere: number): Recipe['fetch'] {
  const machines = Math.max(1, everywhere / slots);
  return {
    ...fetch,
    perDomainConcurrency: Math.max(1, Math.floor(fetch.perDomainConcurrency / machines)),
    perDomainIntervalMs: Math.ceil(fetch.perDomainIntervalMs * machines),
  };
}

/**
 * How large a fleet is taken to be: a power of two that is not smaller than it is. It changes when the fleet has outgrown it, or is
 * less than a quarter of it, and not with every worker that comes and goes: what asks the web has to be begun anew for it.
 */
export function roundedFleet(slots: number, before: number): number {
  if (slots <= before && slots * 4 > before) return before;
  return 2 ** Math.ceil(Math.log2(Math.max(1, slots)));
}
