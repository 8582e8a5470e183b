import { useEffect, useState } from 'preact/hooks';
import { fetchRow, imageAddress, type PageRow } from '../api.ts';
import { plainLine } from '../text.ts';

interface Props {
  readonly id: number;
  readonly address: string;
}

/** The picture of a point with its text, and the way to its details. */
export function Card({ id, address }: Props) {
  const [row, setRow] = useState<PageRow | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    setProblem('');
    // Points that the mouse passes are not asked for.
    const timer = setTimeout(
      () =>
        fetchRow(id, stop.signal).then(setRow, (error: unknown) => {
          if (!stop.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
        }),
      80,
    );
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  const here = row?.id === id ? row : null;
  return (
    <a class="map-card" href={address}>
      {here ? (
        <img src={imageAddress(id)} alt="" style={{ aspectRatio: `${here.width} / ${here.height}` }} />
      ) : (
        <span class="map-card-wait" />
      )}
      <span class="map-card-text" role="status">
        {here && (
          <>
            <bdi>{plainLine(here.text, 160)}</bdi>
            <span class="soft">Match {here.similarity.toFixed(3)} · open details</span>
          </>
        )}
        {!here && (problem === '' ? 'Loading' : problem)}
      </span>
    </a>
  );
}
