import type { FleetSpec } from '../fleet-spec.ts';

/**
 * Why tasks of a run are not lent to volunteers; undefined where they are. What a volunteer would have to know must not be
 * known (lists of known content, a way through a proxy), and what it does has to be checked by what every trusted worker has.
 */
export function unfitForVolunteers({ recipe, images, provider }: FleetSpec): string | undefined {
  const { fetch, safety } = recipe;
  if (images.kind !== 'web') return 'its images come from an archive';
  if (provider !== 'cpu')
    return `its networks run on ${provider}, and results are compared with those of a CPU`;
  if (safety.knownContent.length > 0) return 'it has lists of known content, which nobody else is shown';
  if (safety.classifiers.length > 0) return 'it has image classifiers, whose opinions are not checked';
  if (fetch.proxy !== null) return 'it fetches through a proxy';
  if (fetch.dns.servers.length > 0) return 'it asks DNS servers of its own';
  if (!fetch.respectRobots || !fetch.respectHeaders || !fetch.verifyTls)
    return 'it does not honour robots.txt, headers or certificates';
  return undefined;
}
