import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type {
  Answers,
  PageJudgement,
  PageReview,
  PageSample,
} from '../../../src/service/review/page-types.ts';
import { ask, askWith } from '../ask.ts';

/** A pair with its picture, ready to be shown. */
export interface Shown extends PageSample {
  readonly place: number;
  /** Address of the picture's bytes in this tab; null where they could not be read. */
  readonly picture: string | null;
}

export interface Review {
  /** Null until the service has answered. */
  readonly page: PageReview | null;
  readonly answers: readonly (Answers | null)[];
  readonly judged: number;
  /** Which pair is looked at; the number of pairs where all are judged. */
  readonly place: number;
  readonly shown: Shown | null;
  readonly problem: string;
  readonly isSaving: boolean;
  readonly go: (place: number) => void;
  /** Saves what is said of the pair that is looked at, and goes on to the next that nobody judged. */
  readonly save: (answers: Answers) => Promise<boolean>;
  /** Takes back the last judgement of this sitting, and goes there. @returns whether there was one */
  readonly undo: () => Promise<boolean>;
  readonly retry: () => void;
}

/** Pairs that are fetched before they are come to. */
const AHEAD = 3;
/** Pairs whose pictures are kept, so that one step back is quick. */
const KEPT = 16;

export function useReview(): Review {
  const [page, setPage] = useState<PageReview | null>(null);
  const [answers, setAnswers] = useState<readonly (Answers | null)[]>([]);
  const [place, setPlace] = useState(0);
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState('');
  const [isSaving, setSaving] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const loaded = useRef(new Map<number, Promise<Shown>>());
  const history = useRef<number[]>([]);
  // A key pressed twice before the page is drawn again is one judgement.
  const saving = useRef(false);

  const load = useCallback((at: number): Promise<Shown> => {
    const known = loaded.current.get(at);
    if (known) return known;
    const loading = fetchShown(at);
    loaded.current.set(at, loading);
    loading.catch(() => loaded.current.delete(at));
    for (const [oldest, one] of loaded.current) {
      if (loaded.current.size <= KEPT) break;
      loaded.current.delete(oldest);
      one.then(
        ({ picture }) => picture && URL.revokeObjectURL(picture),
        () => undefined,
      );
    }
    return loading;
  }, []);

  useEffect(() => {
    if (page) return;
    ask<PageReview>('/api/review').then(
      (review) => {
        setPage(review);
        setAnswers(review.answers);
        setPlace(nextOpen(review.answers, -1));
        setProblem('');
      },
      (error: Error) => setProblem(error.message),
    );
  }, [page, attempt]);

  useEffect(() => {
    if (!page || place >= answers.length) return;
    let isWanted = true;
    load(place).then(
      (sample) => {
        if (!isWanted) return;
        setShown(sample);
        setProblem('');
        let ahead = place;
        for (let i = 0; i < AHEAD; i++) {
          ahead = nextOpen(answers, ahead);
          if (ahead < answers.length) load(ahead).catch(() => undefined);
        }
      },
      (error: Error) => isWanted && setProblem(error.message),
    );
    return () => {
      isWanted = false;
    };
  }, [page, place, answers, attempt, load]);

  const post = async (at: number, given: Answers | null): Promise<boolean> => {
    if (saving.current) return false;
    saving.current = true;
    setSaving(true);
    try {
      const { uid } = await load(at);
      await askWith('/api/judgements', { place: at, uid, answers: given } satisfies PageJudgement);
      setProblem('');
      return true;
    } catch (error) {
      setProblem(error instanceof Error ? `Not saved. ${error.message}` : 'Not saved.');
      return false;
    } finally {
      saving.current = false;
      setSaving(false);
    }
  };
  const put = (at: number, given: Answers | null) => {
    const next = answers.with(at, given);
    setAnswers(next);
    return next;
  };

  return {
    page,
    answers,
    judged: answers.filter((one) => one !== null).length,
    place,
    shown: shown?.place === place ? shown : null,
    problem,
    isSaving,
    go: (to) => setPlace(Math.min(answers.length, Math.max(0, to))),
    async save(given) {
      if (!(await post(place, given))) return false;
      history.current.push(place);
      setPlace(nextOpen(put(place, given), place));
      return true;
    },
    async undo() {
      const last = history.current.at(-1);
      if (last === undefined || !(await post(last, null))) return false;
      history.current.pop();
      put(last, null);
      setPlace(last);
      return true;
    },
    retry: () => setAttempt((n) => n + 1),
  };
}

/** The first place behind `from` that nobody judged, else the first of all, else the end. */
function nextOpen(answers: readonly (Answers | null)[], from: number): number {
  const behind = answers.findIndex((one, i) => i > from && one === null);
  if (behind >= 0) return behind;
  const first = answers.indexOf(null);
  return first >= 0 ? first : answers.length;
}

async function fetchShown(place: number): Promise<Shown> {
  const [sample, picture] = await Promise.all([
    ask<PageSample>(`/api/samples/${place}`),
    fetch(`/images/${place}.jpg`).then(
      async (response) => (response.ok ? URL.createObjectURL(await response.blob()) : null),
      () => null,
    ),
  ]);
  return { ...sample, place, picture };
}
