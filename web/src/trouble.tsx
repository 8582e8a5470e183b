import { useEffect, useRef, useState } from 'preact/hooks';
import type { ApiError } from './ask.ts';
import { BusyIcon, CloudIcon, OfflineIcon } from './icons.tsx';

interface Props {
  readonly problem: ApiError;
  readonly onAgain: () => void;
  /** The way back to the beginning; left out where the reader is there. */
  readonly onHome?: (() => void) | undefined;
}

/** A request that failed: what happened, and the way on. One that may succeed later is made again by itself. */
export function TroubleMessage({ problem, onAgain, onHome }: Props) {
  const { trouble } = problem;
  const seconds = useAgain(problem, onAgain);
  const Icon = trouble === 'away' ? OfflineIcon : trouble === 'busy' ? BusyIcon : CloudIcon;
  return (
    <div class="message" role="alert">
      <Icon />
      <p>{problem.message}</p>
      {trouble === 'busy' && (
        // The countdown is for eyes: read aloud each second it would be noise.
        <p class="soft" aria-hidden="true">
          Trying again in {seconds} {seconds === 1 ? 'second' : 'seconds'}
        </p>
      )}
      {trouble === 'away' && !navigator.onLine && (
        <p class="soft">It goes on once there is a network again.</p>
      )}
      <div class="ways">
        <button type="button" class="button" onClick={onAgain}>
          {trouble === 'busy' ? 'Try now' : 'Try again'}
        </button>
        {onHome && (
          <button type="button" class="button quiet" onClick={onHome}>
            Back to the beginning
          </button>
        )}
      </div>
    </div>
  );
}

/** Asks again when a busy service has said to, and when the network is back. @returns seconds until then */
function useAgain(problem: ApiError, onAgain: () => void): number {
  const [seconds, setSeconds] = useState(problem.retrySeconds);
  const again = useRef(onAgain);
  again.current = onAgain;
  useEffect(() => {
    const stop = new AbortController();
    if (problem.trouble === 'away')
      addEventListener('online', () => again.current(), { signal: stop.signal });
    if (problem.trouble !== 'busy') return () => stop.abort();
    let left = problem.retrySeconds;
    setSeconds(left);
    const timer = setInterval(() => {
      left--;
      setSeconds(Math.max(0, left));
      if (left > 0) return;
      clearInterval(timer);
      again.current();
    }, 1000);
    return () => clearInterval(timer);
  }, [problem]);
  return seconds;
}
