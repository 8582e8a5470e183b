import type { Clock } from './clock.ts';
import { type Failure, failure, type Interceptor } from './exchange.ts';
import { LruMap } from './lru.ts';
import type { WebSettings } from './options.ts';

type DeadSettings = Pick<WebSettings, 'deadAfterFailures' | 'deadProbeMs'> & { readonly clock: Clock };

interface Trouble {
  /** In a row. */
  failures: number;
  /** Of the last one. */
  cause: string;
  /** By the clock: when one request may find out whether the host is back. */
  probeAt: number;
  probes: number;
}

/** Hosts in trouble that are remembered. A hundred bytes each. */
const MAX_REMEMBERED = 100_000;

/** The wait between probes doubles so many times: from a minute to about an hour. */
const MAX_DOUBLINGS = 6;

/**
 * Knows the hosts that answer nothing at all, time after time: whatever else lies there is refused without waiting,
 * except for a probe now and then. Lists of image links are years old and full of such hosts, and each of their links
 * would cost the whole of the connect timeout.
 */
export class DeadHosts {
  readonly #settings: DeadSettings;
  readonly #troubles = new LruMap<string, Trouble>(MAX_REMEMBERED);

  constructor(settings: DeadSettings) {
    this.#settings = settings;
  }

  /** undefined where `host` may be asked, or may be probed by now. */
  refusal(host: string): Failure | undefined {
    const trouble = this.#troubles.get(host);
    if (!trouble || trouble.failures < this.#settings.deadAfterFailures) return undefined;
    if (this.#settings.clock.now() >= trouble.probeAt) return undefined;
    return deadFailure(host, trouble.cause);
  }

  /** As `refusal`, for one that goes ahead where it may: who comes next waits for the next probe. */
  admit(host: string): Failure | undefined {
    const refused = this.refusal(host);
    const trouble = this.#troubles.get(host);
    if (!refused && trouble && trouble.failures >= this.#settings.deadAfterFailures) this.#schedule(trouble);
    return refused;
  }

  answered(host: string): void {
    this.#troubles.delete(host);
  }

  failed(host: string, cause: string): void {
    const trouble = this.#troubles.get(host) ?? { failures: 0, cause, probeAt: 0, probes: 0 };
    trouble.failures++;
    trouble.cause = cause;
    if (trouble.failures === this.#settings.deadAfterFailures) this.#schedule(trouble);
    this.#troubles.set(host, trouble);
  }

  #schedule(trouble: Trouble): void {
    const { clock, deadProbeMs } = this.#settings;
    trouble.probeAt = clock.now() + deadProbeMs * 2 ** Math.min(trouble.probes++, MAX_DOUBLINGS);
  }
}

export function deadFailure(host: string, cause: string): Failure {
  return failure('host_down', cause, { deadHost: host });
}

/** What failed, in the words of a detail. */
export function causeOf({ reason, detail }: Failure): string {
  return `${reason}: ${detail}`;
}

/** Refuses dead hosts before anything waits for them. */
export function refuseDead(dead: DeadHosts): Interceptor {
  return (next) => async (request) => dead.refusal(request.url.host) ?? next(request);
}

/** Refuses those that died while a request to them waited, and learns from what comes of the others. */
export function watchHosts(dead: DeadHosts): Interceptor {
  return (next) => async (request) => {
    const { host } = request.url;
    const refused = dead.admit(host);
    if (refused) return refused;
    const result = await next(request);
    if (result.kept || !isTrouble(result)) dead.answered(host);
    else dead.failed(host, causeOf(result));
    return result;
  };
}

/** A name that does not exist costs nothing a second time, and an address that is refused costs nothing at all. */
function isTrouble({ reason, passing }: Failure): boolean {
  return reason === 'timeout' || reason === 'connection' || reason === 'tls' || (reason === 'dns' && passing);
}
