import { useEffect, useState } from 'preact/hooks';
import type { PageStatus } from '../../../src/service/fleet/page-types.ts';
import { ask } from '../ask.ts';

/** Between two questions, in milliseconds: while all is well, and while nobody answers. */
const EVERY_MS = 2_000;
const AGAIN_MS = 5_000;

export interface Live {
  /** The last that was answered; null before the first. */
  readonly page: PageStatus | null;
  /** Why there is nothing newer; '' where there is. */
  readonly problem: string;
}

/** What the service says, asked again and again while the page is looked at. */
export function useStatus(): Live {
  const [live, setLive] = useState<Live>({ page: null, problem: '' });
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      clearTimeout(timer);
      // Who does not look at the page needs no answer; coming back asks at once.
      if (document.hidden) return;
      let wait = EVERY_MS;
      try {
        const page = await ask<PageStatus>('/api/status', { signal: stop.signal });
        setLive({ page, problem: '' });
      } catch (error) {
        if (stop.signal.aborted) return;
        wait = AGAIN_MS;
        const problem = error instanceof Error ? error.message : 'It failed.';
        setLive(({ page }) => ({ page, problem }));
      }
      clearTimeout(timer);
      timer = setTimeout(look, wait);
    };
    void look();
    document.addEventListener('visibilitychange', look);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return live;
}
