import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ReportReason } from '../../src/service/page-types.ts';
import { sendReport } from './api.ts';
import { ApiError } from './ask.ts';
import { CloseIcon } from './icons.tsx';

interface Props {
  readonly id: number;
  readonly onClose: () => void;
}

const REASONS: readonly (readonly [ReportReason, string])[] = [
  ['illegal', 'It is illegal'],
  ['privacy', 'It shows me, or something private'],
  ['copyright', 'It is mine, and should not be here'],
  ['wrong-tag', 'It is not safe, and not marked so'],
  ['other', 'Something else'],
];
/** Longest texts of a report, in characters. */
const [MAX_MESSAGE, MAX_CONTACT] = [2000, 200];

/** Why a report was not taken. Where they are too many there is another way, which the service names. */
function said(error: unknown): string {
  if (error instanceof ApiError && error.answer !== '') return `The service answered: ${error.answer}.`;
  return error instanceof Error ? error.message : String(error);
}

/** Tells whoever runs the service about a picture. The browser keeps the focus within, and closes it by Esc. */
export function ReportDialog({ id, onClose }: Props) {
  const dialogRef = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState<ReportReason | null>(null);
  const [message, setMessage] = useState('');
  const [contact, setContact] = useState('');
  const [state, setState] = useState<'asking' | 'sending' | 'sent'>('asking');
  const [notice, setNotice] = useState('');
  // Before the next key comes: Esc is the dialog's from the moment that it is there.
  useLayoutEffect(() => dialogRef.current?.showModal(), []);
  const send = async () => {
    if (!reason) return setNotice('Choose what is wrong with it.');
    setState('sending');
    setNotice('');
    try {
      const { report } = await sendReport({
        ...{ id, reason },
        ...(message.trim() !== '' && { message: message.trim() }),
        ...(contact.trim() !== '' && { contact: contact.trim() }),
      });
      setState('sent');
      setNotice(report);
    } catch (error) {
      setState('asking');
      setNotice(said(error));
    }
  };
  return (
    <dialog ref={dialogRef} class="report" aria-labelledby="report-title" onClose={onClose}>
      <div class="details-head">
        <h2 id="report-title">Report this picture</h2>
        <button
          type="button"
          class="bare"
          aria-label="Close the report"
          onClick={() => dialogRef.current?.close()}
        >
          <CloseIcon />
        </button>
      </div>
      {state === 'sent' ? (
        <div class="report-body" role="status">
          <p>
            Thank you. Whoever runs this service has your report. Its name is <code>{notice}</code>, should
            you want to ask about it.
          </p>
          <button type="button" class="button" onClick={() => dialogRef.current?.close()}>
            Done
          </button>
        </div>
      ) : (
        <form
          class="report-body"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <fieldset class="choices-list">
            <legend>What is wrong with it?</legend>
            {REASONS.map(([value, name]) => (
              <label key={value}>
                <input
                  type="radio"
                  name="reason"
                  checked={reason === value}
                  onChange={() => setReason(value)}
                />
                <span>{name}</span>
              </label>
            ))}
          </fieldset>
          <label>
            What should be known about it <span class="soft">(may be left out)</span>
            <textarea
              rows={3}
              maxLength={MAX_MESSAGE}
              value={message}
              onInput={(event) => setMessage(event.currentTarget.value)}
            />
          </label>
          <label>
            How you can be reached <span class="soft">(may be left out)</span>
            <input
              type="text"
              autocomplete="email"
              maxLength={MAX_CONTACT}
              value={contact}
              onInput={(event) => setContact(event.currentTarget.value)}
            />
          </label>
          <p class="soft">
            This goes to whoever runs this service, with the number of the picture, {id}. They decide whether
            it is taken out, which also takes it out of later releases. Nothing of it is published, and the
            site that the picture comes from is not told.
          </p>
          <p role="alert">{notice}</p>
          <div class="ways">
            <button type="submit" class="button" disabled={state === 'sending'}>
              {state === 'sending' ? 'Sending…' : 'Send the report'}
            </button>
            <button type="button" class="button quiet" onClick={() => dialogRef.current?.close()}>
              Cancel
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}
