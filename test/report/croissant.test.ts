import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Publication } from '../../src/stages/report/index.ts';
import { writeCard, writeReport } from '../../src/stages/report/index.ts';
import { parseStatistics } from '../../src/stages/report/parse.ts';
import { SIX_INPUT, SIX_ROWS, SIX_TRAIL, temporaryStorage, writeRelease } from './small-release.ts';

/** A Python with mlcroissant, and pyarrow to read records with: the reference's own. */
const PYTHON = process.env.GLEANER_PYTHON ?? 'python3';
const hasValidator = spawnSync(PYTHON, ['-c', 'import mlcroissant, pyarrow']).status === 0;

const VALIDATE = `
import json, logging, sys
import mlcroissant
logging.disable(logging.CRITICAL)
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.ctx.issues
records = [{k: v.decode() if isinstance(v, bytes) else v for k, v in r.items()} for r in dataset.records("pairs")]
print(json.dumps({"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "records": records}))
`;

function validate(path: string) {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', VALIDATE, path], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as { errors: string[]; warnings: string[]; records: Record<string, unknown>[] };
}

test.skipIf(!hasValidator)(
  `the reference validator accepts croissant.json and reads the pairs${hasValidator ? '' : ' (skipped: no mlcroissant, see GLEANER_PYTHON)'}`,
  async () => {
    await using folder = await temporaryStorage();
    const files = await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL, { images: true });
    await writeReport(folder.storage, { ...SIX_INPUT, files });
    const path = join(folder.storage.location, 'release/croissant.json');
    const first = validate(path);
    expect(first.errors).toEqual([]);
    // What nobody has said yet, the reference would like to know.
    expect(first.warnings.map((warning) => /"([^"]+)" is recommended/.exec(warning)?.[1])).toEqual([
      'https://schema.org/datePublished',
      'https://schema.org/version',
    ]);
    expect(first.records.map((record) => [record['pairs/TEXT'], record['pairs/WIDTH']])).toEqual(
      SIX_ROWS.flat().map(({ text, width }) => [text, width]),
    );

    const stats = parseStatistics(
      new TextDecoder().decode(await folder.storage.read('release/stats.json')),
      'stats.json',
    );
    const publication: Publication = {
      contact: 'takedown@example.org',
      license: 'CC-BY-4.0',
      published: '2026-11-21',
      version: '1.0.0',
    };
    await writeCard(folder.storage, stats, files, publication);
    expect(validate(path)).toMatchObject({ errors: [], warnings: [], records: { length: 6 } });
  },
  120_000,
);
