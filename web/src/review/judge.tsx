import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Answer, Answers } from '../../../src/service/review/page-types.ts';
import { Folding } from '../folding.tsx';
import { Choice } from './choice.tsx';
import { Picture } from './picture.tsx';
import type { Review, Shown } from './use-review.ts';

interface Props {
  readonly review: Review;
  readonly shown: Shown;
  /** Says what happened to those who do not see it. */
  readonly onSay: (line: string) => void;
}

const MATCH_WORDS: Readonly<Record<Answer, string>> = {
  yes: 'matches',
  no: 'does not match',
  unsure: 'cannot tell',
};
const SAFE_WORDS: Readonly<Record<Answer, string>> = { yes: 'safe', no: 'not safe', unsure: 'cannot tell' };

/** Two answers a pair: the second of them saves, and the next pair comes. */
export function Judge({ review, shown, onSay }: Props) {
  const saved = review.answers[shown.place] ?? null;
  // Of what no tag warns of, safe is taken as said unless it is denied: one key a pair then does.
  const [draft, setDraft] = useState<Partial<Answers>>(saved ?? (shown.isFlagged ? {} : { safe: 'yes' }));
  const [isOpen, setOpen] = useState(!shown.isFlagged);
  const [isPeeking, setPeeking] = useState(false);
  const isVisible = isOpen || isPeeking;
  const seen = useRef(false);
  seen.current ||= isVisible;

  const answer = async (given: Partial<Answers>) => {
    const next = { ...draft, ...given };
    const { match, safe } = next;
    setDraft(next);
    if (match === undefined || safe === undefined) {
      onSay(
        match === undefined
          ? `${SAFE_WORDS[safe ?? 'unsure']}: now, does the text match?`
          : 'Now, is it safe?',
      );
      return;
    }
    if (await review.save({ match, safe })) onSay(`Saved: ${MATCH_WORDS[match]}, ${SAFE_WORDS[safe]}.`);
  };
  const choose = (given: Partial<Answers>) => {
    if (seen.current) answer(given);
    else onSay('Look at the picture first: hold V, or press B. U if you would rather not.');
  };
  const cannotTell = () => answer({ match: 'unsure', safe: draft.safe ?? 'unsure' });
  const undo = async () => onSay((await review.undo()) ? 'Taken back.' : 'There is nothing to take back.');

  // Before the page is painted: a key meets what the reviewer sees.
  useLayoutEffect(() => {
    const actions: Readonly<Record<string, () => void>> = {
      f: () => choose({ match: 'no' }),
      j: () => choose({ match: 'yes' }),
      u: cannotTell,
      n: () => choose({ safe: 'no' }),
      s: () => choose({ safe: 'yes' }),
      z: undo,
      b: () => shown.isFlagged && setOpen(!isOpen),
      v: () => setPeeking(shown.isFlagged),
      arrowleft: () => review.go(shown.place - 1),
      arrowright: () => review.go(shown.place + 1),
    };
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
      const action = actions[event.key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      action();
    };
    const onKeyUp = (event: KeyboardEvent) => event.key.toLowerCase() === 'v' && setPeeking(false);
    const onLeave = () => setPeeking(false);
    addEventListener('keydown', onKeyDown);
    addEventListener('keyup', onKeyUp);
    addEventListener('blur', onLeave);
    return () => {
      removeEventListener('keydown', onKeyDown);
      removeEventListener('keyup', onKeyUp);
      removeEventListener('blur', onLeave);
    };
  });

  const busy = review.isSaving;
  return (
    <div class="judge">
      <Picture
        address={shown.picture}
        isVisible={isVisible}
        isFlagged={shown.isFlagged}
        onToggle={() => setOpen(!isOpen)}
      />
      <section class="pair" aria-label="Text of the pair">
        <p class="soft">
          Pair {(shown.place + 1).toLocaleString('en')} of {review.answers.length.toLocaleString('en')}
          {saved && ' · judged before'}
        </p>
        <Folding text={shown.text} />
      </section>
      <section class="questions" aria-label="Judgement">
        <fieldset disabled={busy}>
          <legend>Does the text say what the picture shows?</legend>
          <div class="choices">
            <Choice letter="F" isOn={draft.match === 'no'} onChoose={() => choose({ match: 'no' })}>
              Does not
            </Choice>
            <Choice letter="U" isOn={draft.match === 'unsure'} onChoose={cannotTell}>
              Cannot tell
            </Choice>
            <Choice letter="J" isOn={draft.match === 'yes'} onChoose={() => choose({ match: 'yes' })}>
              Matches
            </Choice>
          </div>
        </fieldset>
        <fieldset disabled={busy}>
          <legend>Is the picture safe for everybody?</legend>
          <div class="choices">
            <Choice letter="N" isOn={draft.safe === 'no'} onChoose={() => choose({ safe: 'no' })}>
              Not safe
            </Choice>
            <Choice letter="S" isOn={draft.safe === 'yes'} onChoose={() => choose({ safe: 'yes' })}>
              Safe
            </Choice>
          </div>
        </fieldset>
        <div class="steps">
          <button
            type="button"
            class="button quiet"
            disabled={shown.place === 0}
            onClick={() => review.go(shown.place - 1)}
          >
            <kbd>←</kbd> Previous
          </button>
          <button type="button" class="button quiet" disabled={busy} onClick={undo}>
            <kbd>Z</kbd> Undo
          </button>
          <button type="button" class="button quiet" onClick={() => review.go(shown.place + 1)}>
            Next <kbd>→</kbd>
          </button>
        </div>
      </section>
    </div>
  );
}
