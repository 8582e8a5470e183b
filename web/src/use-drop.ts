import { useEffect, useState } from 'preact/hooks';
import { pictureIn } from './picture.ts';

/** Pictures that are dropped anywhere on the page, or pasted. @returns whether one is held over it now */
export function useDrop(onPicture: (file: File) => void, onOther: () => void): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    addEventListener(
      'dragover',
      (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      { signal },
    );
    addEventListener(
      'dragleave',
      (event) => {
        if (event.relatedTarget === null) setOver(false);
      },
      { signal },
    );
    addEventListener(
      'drop',
      (event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setOver(false);
        const picture = pictureIn(event.dataTransfer);
        if (picture) onPicture(picture);
        else onOther();
      },
      { signal },
    );
    addEventListener(
      'paste',
      (event) => {
        const picture = pictureIn(event.clipboardData);
        if (!picture) return;
        event.preventDefault();
        onPicture(picture);
      },
      { signal },
    );
    return () => stop.abort();
  }, [onPicture, onOther]);
  return over;
}
