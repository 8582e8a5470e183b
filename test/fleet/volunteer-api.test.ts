import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GLEANER_VERSION } from '../../src/config/index.ts';
import { loan as readLoan } from '../../src/executors/fleet/volunteer/loans.ts';
import { type Loan, UPLOADED } from '../../src/executors/fleet/volunteer/protocol.ts';
import { blockVolunteer, refuseLoan } from '../../src/executors/fleet/volunteer/standing.ts';
import {
  addVolunteer,
  unblockVolunteer,
  volunteerNamed,
} from '../../src/executors/fleet/volunteer/volunteers.ts';
import { runLocally } from '../../src/executors/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { coordinate } from '../../src/service/coordinator/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { selfSigned } from '../fetcher/servers.ts';
import { treeOf } from '../support/tree.ts';
import { IMAGES, startVolunteerFleet, TASKS, type VolunteerFleet } from './volunteer-fleet.ts';

let fleet: VolunteerFleet;
let expected: Record<string, string>;
let out: string;
let run: string;

beforeAll(async () => {
  fleet = await startVolunteerFleet();
  const local = join(fleet.folder, 'local');
  await runLocally({ ...fleet.named, out: local, workers: 1 });
  expected = await treeOf(join(local, 'release'));
  out = join(fleet.folder, 'run');
  run = await fleet.submitted(out);
}, 120_000);
afterAll(() => fleet[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { error?: string; code?: string };
}

async function post(token: string, path: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${fleet.coordinator.url}v1/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const machine = randomBytes(8).toString('hex');
async function lease(token: string): Promise<Loan> {
  const { status, body } = await post(token, 'lease', {
    version: GLEANER_VERSION,
    machine,
    provider: 'cpu',
    slots: 1,
  });
  expect(status, JSON.stringify(body)).toBe(200);
  if (body.task === null) throw new Error('nothing is lent');
  return body.task as Loan;
}

const CONTENT = Buffer.from('nothing');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');
/** Files of a shard that hold nothing. */
const empty = (change: { bytes?: number; sha256?: string } = {}) =>
  UPLOADED.map((name) => ({ name: name as string, bytes: CONTENT.length, sha256: SHA256, ...change }));
const claim = (pairs: number, files = empty()) => {
  const none = { in: 0, out: 0, dropped: {} };
  const fetched = { in: pairs, out: 0, dropped: { timeout: pairs } };
  return {
    ledgers: { fetched, image: none, matched: none, safe: none },
    rows: 0,
    seconds: 1,
    cpuSeconds: 1,
    files,
  };
};

/** Sends what is no shard. */
async function sendNothing(token: string, { lease: id, pairs }: Loan): Promise<Answer> {
  const { body } = await post(token, 'uploads', { lease: id, files: empty() });
  for (const { url } of body.files as { url: string }[])
    expect((await fetch(url, { method: 'PUT', body: CONTENT })).status).toBe(200);
  return post(token, 'complete', { lease: id, manifest: claim(pairs.rows) });
}

const stateOf = async (id: string) => (await readLoan(fleet.database, id))?.state;
const giveBack = (token: string, { lease: id }: Loan) => post(token, 'giveback', { leases: [id] });

describe('a coordinator refuses', () => {
  it('tokens that are none, that have expired, that are blocked', async () => {
    const asked = { version: GLEANER_VERSION, machine, provider: 'cpu', slots: 1 };
    expect(await post('gv_none-of-its-own', 'lease', asked)).toMatchObject({
      status: 401,
      body: { code: 'TOKEN_REFUSED' },
    });
    expect((await fetch(`${fleet.coordinator.url}v1/lease`, { method: 'POST', body: '{}' })).status).toBe(
      401,
    );
    const old = await addVolunteer(fleet.database, 'Old', -1);
    expect(await post(old, 'lease', asked)).toMatchObject({
      status: 401,
      body: { error: 'it has expired' },
    });
    const token = await fleet.volunteer('Mallory');
    const id = await volunteerNamed(fleet.database, 'Mallory');
    await blockVolunteer(fleet.database, id, 'by hand');
    expect(await post(token, 'lease', asked)).toMatchObject({
      status: 403,
      body: { code: 'WORKER_BLOCKED', error: 'by hand' },
    });
    await expect(fleet.lend(token)).rejects.toMatchObject({ code: 'WORKER_BLOCKED' });
    await expect(fleet.lend('gv_none-of-its-own')).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
    await unblockVolunteer(fleet.database, id);
    const loan = await lease(token);
    expect(await giveBack(token, loan)).toMatchObject({ status: 200 });
    // Of a token nothing is kept that would tell it.
    const rows = await fleet.database.query('SELECT * FROM gleaner.volunteer');
    expect(JSON.stringify(rows)).not.toContain(token.slice(3));
  });

  it('requests that are none, or of another version', async () => {
    const token = await fleet.volunteer('Odd');
    const asked = { version: '0.0.1', machine, provider: 'cpu', slots: 1 };
    expect(await post(token, 'lease', asked)).toMatchObject({ status: 409 });
    expect(await post(token, 'lease', { ...asked, slots: 1e9 })).toMatchObject({ status: 400 });
    expect(await post(token, 'lease', { ...asked, extra: 1 })).toMatchObject({ status: 400 });
    expect(await post(token, 'lease', '{')).toMatchObject({ status: 400 });
    // It may hang up before all of it is sent: on a connection that nobody else has.
    const dispatcher = new Agent();
    const body = JSON.stringify({ x: 'x'.repeat(300_000) });
    const headers = { authorization: `Bearer ${token}` };
    const large = await request(`${fleet.coordinator.url}v1/lease`, {
      ...{ method: 'POST', body, headers, dispatcher },
    }).catch(() => undefined);
    expect(large?.statusCode ?? 413).toBe(413);
    await dispatcher.destroy();
    expect(await post(token, 'complete', { lease: '../../..', manifest: {} })).toMatchObject({ status: 400 });
    expect((await fetch(`${fleet.coordinator.url}v1/nothing`)).status).toBe(404);
  });

  it('tasks that are another’s, or not any more', async () => {
    const [one, other] = [await fleet.volunteer('One'), await fleet.volunteer('Other')];
    const loan = await lease(one);
    const files = empty();
    expect(await post(other, 'uploads', { lease: loan.lease, files })).toMatchObject({ status: 410 });
    expect(await post(other, 'complete', { lease: loan.lease, manifest: claim(1) })).toMatchObject({
      status: 410,
    });
    await giveBack(other, loan);
    expect(await stateOf(loan.lease)).toBe('working');
    expect(
      await post(other, 'heartbeat', { machine, leases: [{ lease: loan.lease, done: 1 }] }),
    ).toMatchObject({ body: { lost: [loan.lease] } });
    expect(await post(one, 'heartbeat', { machine, leases: [{ lease: loan.lease, done: 1 }] })).toMatchObject(
      { body: { lost: [] } },
    );
    await giveBack(one, loan);
    expect(await post(one, 'uploads', { lease: loan.lease, files })).toMatchObject({ status: 410 });
    expect(await post(one, 'complete', { lease: loan.lease, manifest: claim(1) })).toMatchObject({
      status: 410,
    });
  });

  it('files that cannot be a shard’s, and holds it against who sends them', async () => {
    const token = await fleet.volunteer('Filer');
    const wrong: [RegExp, ReturnType<typeof empty>][] = [
      [/has 1099511627776 bytes, and so many pairs can have/, empty({ bytes: 2 ** 40 })],
      [
        /"\.\.\/\.\.\/release\/x" is none of a shard's/,
        [{ ...empty()[0]!, name: '../../release/x' }, ...empty().slice(1)],
      ],
    ];
    for (const [problem, files] of wrong) {
      const loan = await lease(token);
      const answer = await post(token, 'uploads', { lease: loan.lease, files });
      expect([answer.status, answer.body.error]).toEqual([400, expect.stringMatching(problem)]);
      expect(await stateOf(loan.lease)).toBe('refused');
    }
    // The third blocks it.
    const loan = await lease(token);
    await post(token, 'uploads', { lease: loan.lease, files: empty() });
    const { status } = await post(token, 'complete', {
      lease: loan.lease,
      manifest: claim(loan.pairs.rows - 1),
    });
    expect(status).toBe(400);
    expect(await post(token, 'heartbeat', { machine, leases: [] })).toMatchObject({ status: 403 });
    expect(await fileStorage(out).list('incoming')).toEqual([]);
  });

  it('uploads that are not what was declared', async () => {
    const token = await fleet.volunteer('Uploader');
    const loan = await lease(token);
    const answer = await post(token, 'uploads', { lease: loan.lease, files: empty() });
    const [{ url } = { url: '' }] = answer.body.files as { url: string }[];
    const put = async (to: string, body: string) => (await fetch(to, { method: 'PUT', body })).status;
    expect(await put(url, 'nothin')).toBe(400);
    expect(await put(url, 'NOTHING')).toBe(400);
    expect(await put(url, 'x'.repeat(100_000))).toBe(400);
    const at = url.length - 40;
    const flipped = `${url.slice(0, at)}${url[at] === 'A' ? 'B' : 'A'}${url.slice(at + 1)}`;
    for (const forged of [flipped, url.slice(0, -1), url.replace(/[^/]*$/, ''), url.replace(/[^/]*$/, 'x')])
      expect([403, 404]).toContain(await put(forged, 'nothing'));
    // Where the run lies is nobody's to read.
    expect(Buffer.from(url.slice(url.lastIndexOf('/') + 1), 'base64url').toString('latin1')).not.toContain(
      out,
    );
    expect(await put(loan.pairs.url, 'nothing')).toBe(403);
    expect((await fetch(url)).status).toBe(403);
    expect(await fileStorage(out).list('incoming')).toEqual([]);
    expect(
      await post(token, 'complete', { lease: loan.lease, manifest: claim(loan.pairs.rows) }),
    ).toMatchObject({ status: 409 });
    // What was declared stays: other files are others.
    expect(await post(token, 'uploads', { lease: loan.lease, files: empty({ bytes: 6 }) })).toMatchObject({
      status: 409,
    });
    await giveBack(token, loan);
  });

  it('to be tried with tokens without end', async () => {
    const own = await coordinate(fleet.database, { port: 0, onError: (error) => fleet.errors.push(error) });
    try {
      const statuses = await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const headers = { Authorization: `Bearer gv_guess-number-${n}` };
          return (await fetch(`${own.url}v1/lease`, { method: 'POST', headers, body: '{}' })).status;
        }),
      );
      expect(statuses.filter((status) => status === 401)).toHaveLength(20);
      expect(statuses.filter((status) => status === 429)).toHaveLength(20);
    } finally {
      await own.close();
    }
  });

  it('to speak plainly to others than this machine', async () => {
    const options = { port: 0, onError: () => undefined };
    await expect(coordinate(fleet.database, { ...options, host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(
      coordinate(fleet.database, { ...options, publicUrl: 'http://example.org' }),
    ).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('a coordinator', () => {
  it('speaks HTTPS with a certificate', async () => {
    const { cert, key } = selfSigned();
    const tls = { cert: join(fleet.folder, 'cert.pem'), key: join(fleet.folder, 'key.pem') };
    await Promise.all([writeFile(tls.cert, cert), writeFile(tls.key, key)]);
    const options = { port: 0, onError: (error: unknown) => fleet.errors.push(error) };
    const own = await coordinate(fleet.database, { ...options, tls });
    try {
      expect(own.url).toMatch(/^https:/);
      const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
      const { statusCode, body } = await request(`${own.url}healthz`, { dispatcher });
      expect([statusCode, await body.text()]).toEqual([200, 'ok']);
      await dispatcher.close();
      // A volunteer does not talk to one whose certificate nobody vouches for.
      await expect(
        fleet.lend('gv_some-token', { coordinator: own.url, patienceMs: 100 }),
      ).rejects.toMatchObject({
        code: 'COORDINATOR_REFUSED',
      });
    } finally {
      await own.close();
    }
    const swapped = { cert: tls.key, key: tls.cert };
    await expect(coordinate(fleet.database, { ...options, tls: swapped })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });

  it('shows names as text', async () => {
    const name = '<img src=x onerror=alert(1)>"&';
    await fleet.volunteer(name);
    await fleet.database.query(
      'UPDATE gleaner.volunteer SET accepted_shards = 1, accepted_pairs = 12345 WHERE name = $1',
      [name],
    );
    const own = await coordinate(fleet.database, { port: 0, onError: (error) => fleet.errors.push(error) });
    try {
      const page = await fetch(own.url);
      const text = await page.text();
      expect(text).toContain('<bdi>&lt;img src=x onerror=alert(1)&gt;&quot;&amp;</bdi>');
      expect(text).toContain('12,345');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    } finally {
      await own.close();
      await fleet.database.query('UPDATE gleaner.volunteer SET accepted_shards = 0 WHERE name = $1', [name]);
    }
  });

  it('lends nothing of a run that volunteers may not see, and says so', { timeout: 60_000 }, async () => {
    const list = join(fleet.folder, 'known.txt');
    await writeFile(list, `${'0'.repeat(64)}\n`);
    const { overrides = {} } = fleet.named;
    const known = { safety: { knownContent: [{ name: 'harmless', path: list, kind: 'sha256' as const }] } };
    const secret = await fleet.submitted(join(fleet.folder, 'secret'), {
      overrides: { ...overrides, ...known },
    });
    const own = await coordinate(fleet.database, {
      ...{ port: 0, runs: [secret] },
      onError: (error) => fleet.errors.push(error),
    });
    const notices: string[] = [];
    try {
      const events = await fleet.lend(await fleet.volunteer('Curious'), {
        coordinator: own.url,
        onNotice: (line) => notices.push(line),
      });
      expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['waiting']));
      expect(notices).toEqual([
        `run ${secret} is not for volunteers: it has lists of known content, which nobody else is shown`,
      ]);
    } finally {
      await own.close();
    }
  });

  it('lends no pair that was taken down, and takes none in', { timeout: 120_000 }, async () => {
    const bytes = Buffer.from(await (await fetch(fleet.origin.marked(9, 'harmless'))).arrayBuffer());
    const digest = (of: string | Uint8Array) => createHash('sha256').update(of).digest('hex');
    const grounds = { at: '2026-11-21T12:00:00.000Z', reason: 'owner of the site' };
    const lines = [
      { takedown: 'url', hash: digest(fleet.origin.image(4)), ...grounds },
      { takedown: 'sha256', hash: digest(bytes), ...grounds },
    ];
    const tombstones = join(fleet.folder, 'tombstones.jsonl');
    await writeFile(tombstones, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const local = join(fleet.folder, 'local without');
    await runLocally({ ...fleet.named, tombstones: [tombstones], out: local, workers: 1 });
    const without = join(fleet.folder, 'without');
    const id = await fleet.submitted(without, { tombstones: [tombstones] });
    const own = await coordinate(fleet.database, {
      ...{ port: 0, runs: [id], tendMs: 200 },
      onError: (error) => fleet.errors.push(error),
    });
    try {
      await fleet.lend(await fleet.volunteer('Dora'), { coordinator: own.url });
      const rows = await fleet.database.query<{ lent: number; pairs: number }>(
        'SELECT sum(lent)::int AS lent, sum(pairs)::int AS pairs FROM gleaner.volunteer_lease WHERE run = $1',
        [id],
      );
      expect(rows).toEqual([{ lent: IMAGES - 1, pairs: IMAGES }]);
      expect((await fleet.audit()).map(({ event }) => event)).toEqual(
        Array.from({ length: TASKS }, () => 'accepted'),
      );
    } finally {
      await own.close();
    }
    await fleet.finish();
    expect(await treeOf(join(without, 'release'))).toEqual(await treeOf(join(local, 'release')));
    const dropped = await runLedgers(fileStorage(without));
    expect(dropped.fetched.dropped.removed).toBeGreaterThan(1);
    expect((await verifyRun(fileStorage(without))).problems).toEqual([]);
  });
});

describe('what was lent comes back', () => {
  it('where nobody is heard of', async () => {
    const token = await fleet.volunteer('Silent');
    const loan = await lease(token);
    await fleet.database.query(
      "UPDATE gleaner.volunteer_lease SET heard_at = now() - interval '31 s' WHERE id = $1",
      [loan.lease],
    );
    await expect.poll(() => stateOf(loan.lease), { timeout: 10_000 }).toBe('lost');
    expect(
      await post(token, 'complete', { lease: loan.lease, manifest: claim(loan.pairs.rows) }),
    ).toMatchObject({ status: 410 });
    await expect.poll(() => fileStorage(out).list('lent'), { timeout: 10_000 }).toEqual([]);
    const [job] = await fleet.database.query(
      "SELECT state, retry_count FROM pgboss.job WHERE name = 'harvest' AND data->>'run' = $1 AND (data->>'index')::int = $2",
      [run, loan.index],
    );
    expect(job).toEqual({ state: 'created', retry_count: 0 });
  });

  it('where a machine is stopped', async () => {
    const token = await fleet.volunteer('Stopped');
    const stop = new AbortController();
    const events = await fleet.lend(token, {
      signal: stop.signal,
      graceMs: 0,
      onEvent: ({ event }) => {
        if (event === 'begun') stop.abort();
      },
    });
    expect(events).toEqual([]);
    const states = await fleet.database.query(
      "SELECT DISTINCT l.state FROM gleaner.volunteer_lease l JOIN gleaner.volunteer v ON v.id = l.volunteer WHERE v.name = 'Stopped'",
    );
    expect(states).toEqual([{ state: 'returned' }]);
  });
});

describe('a volunteer who sends what is none', () => {
  it('is blocked after some, and all that it did is done again', { timeout: 180_000 }, async () => {
    const token = await fleet.volunteer('Mallet');
    const id = await volunteerNamed(fleet.database, 'Mallet');
    // One that is good first.
    const stop = new AbortController();
    await fleet.lend(token, {
      workers: 1,
      signal: stop.signal,
      graceMs: 60_000,
      onEvent: ({ event }) => {
        if (event === 'begun') stop.abort();
      },
    });
    expect((await fleet.audit()).map(({ event }) => event)).toEqual(['accepted']);
    const accepted = await fileStorage(out).list('harvest');
    expect(accepted).toHaveLength(6);
    for (const last of [false, false, true]) {
      const loan = await lease(token);
      expect(await sendNothing(token, loan)).toMatchObject({ status: 200 });
      // Told twice, it is taken once.
      expect(
        await post(token, 'complete', { lease: loan.lease, manifest: claim(loan.pairs.rows) }),
      ).toMatchObject({ status: 200 });
      const events = await fleet.audit();
      expect(events.map(({ event }) => event)).toEqual(last ? ['refused', 'blocked'] : ['refused']);
      expect(events[0]?.problem).toMatch(/cannot be read/);
      expect(
        await post(token, 'complete', { lease: loan.lease, manifest: claim(loan.pairs.rows) }),
      ).toMatchObject({ status: last ? 403 : 410 });
    }
    const states = await fleet.database.query<{ state: string }>(
      'SELECT state FROM gleaner.volunteer_lease WHERE volunteer = $1 ORDER BY leased_at',
      [id],
    );
    expect(states.map(({ state }) => state)).toEqual(['redone', 'refused', 'refused', 'refused']);
    expect(await fileStorage(out).list('harvest')).toEqual([]);
    expect(await fileStorage(out).list('tasks/harvest')).toEqual([]);
    const tallies = await fleet.database.query(
      "SELECT * FROM gleaner.tally WHERE run = $1 AND stage = 'harvest'",
      [run],
    );
    expect(tallies).toEqual([]);
    // Others do it, and the stage waits for what is done again.
    await fleet.finish();
    const [stage] = await fleet.database.query<{ finished_at: Date | null }>(
      "SELECT finished_at FROM gleaner.stage WHERE run = $1 AND stage = 'harvest'",
      [run],
    );
    expect(stage?.finished_at).toBeNull();
    const events = await fleet.lend(await fleet.volunteer('Good'));
    expect(events.filter(({ event }) => event === 'sent')).toHaveLength(TASKS);
    expect((await fleet.audit()).map(({ event }) => event)).toEqual(
      Array.from({ length: TASKS }, () => 'accepted'),
    );
    await fleet.work();
    expect(await treeOf(join(out, 'release'))).toEqual(expected);
    expect((await verifyRun(fileStorage(out))).problems).toEqual([]);
    expect(fleet.errors).toEqual([]);
  });

  it('is blocked at once for a forgery', async () => {
    const other = join(fleet.folder, 'forged');
    await fleet.submitted(other);
    const token = await fleet.volunteer('Forger');
    const loan = await lease(token);
    const row = await readLoan(fleet.database, loan.lease);
    if (!row) throw new Error('a loan');
    expect(await refuseLoan(fleet.database, row, { problem: 'its text is another', forged: true })).toBe(
      true,
    );
    expect(await post(token, 'heartbeat', { machine, leases: [] })).toMatchObject({
      status: 403,
      body: { code: 'WORKER_BLOCKED', error: 'its text is another' },
    });
  });
});
