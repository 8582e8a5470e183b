import type { FleetReader, FleetStatus } from '../../executors/fleet/status/index.ts';
import { RateHistory } from './rate-history.ts';

/** A look is given to all who ask within so many milliseconds: the database does not feel how many pages are open. */
const FRESH_MS = 1_000;
/** And it is looked at so often where nobody asks, in milliseconds: for rates, their history and metrics. */
const EVERY_MS = 10_000;

/** What a fleet does, as of a second ago. */
export class LiveStatus implements Disposable {
  readonly history = new RateHistory();
  readonly #reader: Pick<FleetReader, 'read'>;
  readonly #onLook: (status: FleetStatus) => void;
  readonly #timer: NodeJS.Timeout;
  #look: Promise<FleetStatus> | undefined;
  #looked = Number.NEGATIVE_INFINITY;
  #works = false;

  /** @param onLook told of every look, and of none twice */
  constructor(reader: Pick<FleetReader, 'read'>, onLook: (status: FleetStatus) => void = () => undefined) {
    this.#reader = reader;
    this.#onLook = onLook;
    this.#timer = setInterval(() => void this.read().catch(() => undefined), EVERY_MS);
    this.#timer.unref();
  }

  /** Whether the last look succeeded. */
  get works(): boolean {
    return this.#works;
  }

  /** @throws GleanerError DATABASE_UNREACHABLE, DATABASE_REFUSED */
  read(): Promise<FleetStatus> {
    if (this.#look && performance.now() - this.#looked < FRESH_MS) return this.#look;
    // Until it is there nobody looks a second time.
    this.#looked = Number.POSITIVE_INFINITY;
    this.#look = this.#readNow();
    return this.#look;
  }

  async #readNow(): Promise<FleetStatus> {
    try {
      const status = await this.#reader.read();
      this.#works = true;
      this.history.add(status);
      this.#onLook(status);
      return status;
    } catch (error) {
      this.#works = false;
      throw error;
    } finally {
      this.#looked = performance.now();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
