import { useCallback, useEffect, useState } from 'preact/hooks';
import { type Place, placeAddress, readPlace } from './search.ts';

export type Go = (place: Place, how?: 'push' | 'replace') => void;

/** Where the reader is: the address of the page, and how to change it. */
export function usePlace(): readonly [Place, Go] {
  const [place, setPlace] = useState(() => readPlace(location.search));
  useEffect(() => {
    const back = () => setPlace(readPlace(location.search));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = useCallback<Go>((next, how = 'push') => {
    const address = placeAddress(next);
    if (how === 'push') history.pushState(null, '', address);
    else history.replaceState(null, '', address);
    setPlace(next);
  }, []);
  return [place, go];
}
