import { useEffect, useState } from 'preact/hooks';
import { WheatIcon } from '../icons.tsx';
import { count, plainLine } from '../text.ts';
import { Figures } from './figures.tsx';
import { Judge } from './judge.tsx';
import { type Review, useReview } from './use-review.ts';

/** Where the figures are: an address of their own. */
const FIGURES = '#figures';

export function ReviewApp() {
  const review = useReview();
  const isFigures = useHash() === FIGURES;
  const [said, setSaid] = useState('');
  const { page, judged, place, shown, problem } = review;
  const total = review.answers.length;
  const isDone = page !== null && place >= total;

  return (
    <div class="page review">
      <header>
        <span class="brand">
          <WheatIcon />
          <span>gleaner</span>
        </span>
        <nav aria-label="Parts of the review">
          <a href="#review" aria-current={isFigures ? undefined : 'page'}>
            Review
          </a>
          <a href={FIGURES} aria-current={isFigures ? 'page' : undefined}>
            Figures
          </a>
        </nav>
        {page && (
          <div class="progress">
            <span>
              {judged.toLocaleString('en')} of {total.toLocaleString('en')} judged
            </span>
            <progress value={judged} max={Math.max(1, total)} aria-label="Pairs judged" />
          </div>
        )}
      </header>
      <main>
        <h1 class="hidden">{isFigures ? 'Figures of the review' : 'Review of a release'}</h1>
        {isFigures ? (
          <Figures judged={judged} />
        ) : (
          <>
            <p class="said" role="status">
              {said}
            </p>
            {problem !== '' && (
              <div class="trouble" role="alert">
                <p>{problem}</p>
                <button type="button" class="button quiet" onClick={review.retry}>
                  Try again
                </button>
              </div>
            )}
            {shown && !isDone && (
              <Judge key={judgeKey(review)} review={review} shown={shown} onSay={setSaid} />
            )}
            {!shown && !isDone && problem === '' && <div class="frame loading" aria-hidden="true" />}
            {isDone && (
              <div class="message">
                <p>
                  {total === 0
                    ? 'This release holds no pairs.'
                    : `All ${count(total, 'pair is', 'pairs are')} judged.`}
                </p>
                {total > 0 && (
                  <>
                    <a class="button" href={FIGURES}>
                      What they say
                    </a>
                    <button type="button" class="button quiet" onClick={() => review.go(total - 1)}>
                      Look at them again
                    </button>
                  </>
                )}
              </div>
            )}
          </>
        )}
      </main>
      <footer>
        {page && (
          <p>
            {count(page.rows, 'pair', 'pairs')} in <bdi>{plainLine(page.name, 80)}</bdi>, reviewed by{' '}
            <bdi>{plainLine(page.reviewer, 64)}</bdi>
          </p>
        )}
        <p>Every judgement is saved at once.</p>
      </footer>
    </div>
  );
}

/** Another pair, or one whose judgement was taken back, begins anew. */
function judgeKey({ place, answers }: Review): string {
  return `${place} ${answers[place] ? 'judged' : 'open'}`;
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = () => setHash(location.hash);
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return hash;
}
