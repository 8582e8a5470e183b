import { useCallback, useEffect, useState } from 'preact/hooks';
import { fullAddress, keepShared } from './picture.ts';
import { type Place, readPlace } from './search.ts';

export type Go = (place: Place, how?: 'push' | 'replace') => void;

/** Where the reader is: the address of the page, and how to change it. */
export function usePlace(): readonly [Place, Go] {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const back = () => setPlace(here());
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const go = useCallback<Go>((next, how = 'push') => {
    const address = fullAddress(next);
    if (how === 'push') history.pushState(null, '', address);
    else history.replaceState(null, '', address);
    setPlace(next);
  }, []);
  return [place, go];
}

function here(): Place {
  keepShared(location.hash);
  return readPlace(location.search);
}
