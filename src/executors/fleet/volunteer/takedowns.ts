import { runTombstones } from '../../../pipeline/tombstones.ts';
import {
  readTombstones,
  TOMBSTONES_FILE,
  type TombstoneList,
  Tombstones,
} from '../../../safety/tombstones.ts';
import type { Storage } from '../../../storage/index.ts';
import type { FleetSpec } from '../fleet-spec.ts';

/** All takedowns that a run honours, as they lie in its storage: its own, and those that came with its submission. */
export async function takedownsOf(storage: Storage, spec: FleetSpec): Promise<Tombstones> {
  const lists: TombstoneList[] = [await runTombstones(storage)];
  const named = new Set([...spec.tombstones, ...spec.seen.map(({ path }) => path)]);
  for (const { named: name, stored, files } of spec.bundles) {
    if (!named.has(name)) continue;
    // A file that was named is tombstones only where it was named as such; of a folder it is one file.
    const path = files.some((file) => file.path === TOMBSTONES_FILE)
      ? `${stored}/${TOMBSTONES_FILE}`
      : spec.tombstones.includes(name) && files.some((file) => file.path === '')
        ? stored
        : undefined;
    if (path !== undefined) lists.push(await readTombstones(path, storage.stream(path)));
  }
  return new Tombstones(...lists);
}
