import { usage } from './options.ts';

/** Who asks. */
export interface Identity {
  readonly userAgent?: string | null;
  readonly contact?: string | null;
}

const PRODUCT = 'gleaner/0.1';

/** What requests call themselves: the user agent that is set, or the product with the contact. */
export function userAgentOf({ userAgent, contact }: Identity): string {
  return userAgent ?? `${PRODUCT} (${contact ? `+${contact}` : 'image-text dataset builder'})`;
}

/** Whether a site's owner could find out from the log whom to write to. */
export function isIdentified({ userAgent, contact }: Identity): boolean {
  return Boolean(contact) || /https?:\/\/\S|\S@\S/.test(userAgent ?? '');
}

/** @throws GleanerError USAGE where `contact` is neither a mail address nor a web page */
export function checkContact(contact: string | null): void {
  if (contact === null) return;
  const mail = /^(?:mailto:)?[^\s@]+@[^\s@]+$/.test(contact);
  if (!mail && !/^https?:$/.test(URL.parse(contact)?.protocol ?? ''))
    throw usage(`fetch.contact: ${contact} is neither a mail address nor the URL of a web page.`);
}

/** What a user reads who crawls without one. */
export const NO_CONTACT =
  'No contact is set. Say whom the owners of sites can write to: --contact you@example.com, or fetch.contact in the recipe (a mail address or the URL of a page).';
