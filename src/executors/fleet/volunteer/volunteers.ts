import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { GleanerError } from '../../../schema/index.ts';
import type { Sql } from '../database.ts';
import type { Leaderboard } from './protocol.ts';

/** Bytes of a token: 256 bits of chance, which nobody guesses. */
const TOKEN_BYTES = 32;
/** Longest name, in characters. */
const MAX_NAME = 64;

/** Somebody who lends machines. */
export interface Volunteer {
  readonly id: string;
  readonly name: string;
  readonly blockedFor: string | null;
  readonly expired: boolean;
}

/** A volunteer as the operator sees it. */
export interface ListedVolunteer {
  readonly name: string;
  readonly since: string;
  readonly expires: string | null;
  readonly blockedFor: string | null;
  readonly shards: number;
  readonly pairs: number;
}

/** What of a token is kept. */
function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/**
 * Makes a token for somebody. It is given once; what is kept does not tell it.
 * @param days after which it is good for nothing. @default never
 * @throws GleanerError USAGE for a name that is taken, or is none
 */
export async function addVolunteer(sql: Sql, name: string, days?: number): Promise<string> {
  const plain = name.trim();
  if (plain === '' || plain.length > MAX_NAME || /[\p{Cc}\p{Cf}]/u.test(plain))
    throw new GleanerError('USAGE', {
      problem: `a volunteer's name has 1 to ${MAX_NAME} printable characters.`,
    });
  const token = `gv_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
  const added = await sql.query(
    `INSERT INTO gleaner.volunteer (id, name, token_sha256, expires_at)
     VALUES ($1, $2, $3, now() + $4 * interval '1 day') ON CONFLICT (name) DO NOTHING RETURNING id`,
    [randomBytes(8).toString('hex'), plain, digestOf(token), days ?? null],
  );
  if (added.length === 0)
    throw new GleanerError('USAGE', {
      problem: `there is a volunteer '${plain}' already. Give another name; or block that one, whose token is lost.`,
    });
  return token;
}

export async function listVolunteers(sql: Sql): Promise<readonly ListedVolunteer[]> {
  const rows = await sql.query<{
    name: string;
    created_at: Date;
    expires_at: Date | null;
    blocked_for: string | null;
    accepted_shards: string;
    accepted_pairs: string;
  }>(
    `SELECT name, created_at, expires_at, blocked_for, accepted_shards, accepted_pairs
     FROM gleaner.volunteer ORDER BY created_at, name`,
  );
  return rows.map((row) => ({
    name: row.name,
    since: row.created_at.toISOString(),
    expires: row.expires_at?.toISOString() ?? null,
    blockedFor: row.blocked_for,
    shards: Number(row.accepted_shards),
    pairs: Number(row.accepted_pairs),
  }));
}

/** @throws GleanerError USAGE where there is nobody of that name */
export async function volunteerNamed(sql: Sql, name: string): Promise<string> {
  const [row] = await sql.query<{ id: string }>('SELECT id FROM gleaner.volunteer WHERE name = $1', [name]);
  if (row) return row.id;
  throw new GleanerError('USAGE', {
    problem: `there is no volunteer '${name}'. 'gleaner coordinator tokens list' lists them.`,
  });
}

/** Lets somebody in again; strikes of before do not count any more. */
export async function unblockVolunteer(sql: Sql, id: string): Promise<void> {
  await sql.query(
    'UPDATE gleaner.volunteer SET blocked_at = NULL, blocked_for = NULL, pardoned_at = now() WHERE id = $1',
    [id],
  );
}

/** Whose token it is; undefined where it is nobody's. Found by its digest, so that no time tells how much of it was right. */
export async function volunteerOf(sql: Sql, token: string): Promise<Volunteer | undefined> {
  const digest = digestOf(token);
  const [row] = await sql.query<{
    id: string;
    name: string;
    token_sha256: string;
    blocked_for: string | null;
    expired: boolean | null;
  }>(
    `SELECT id, name, token_sha256, blocked_for, expires_at < now() AS expired
     FROM gleaner.volunteer WHERE token_sha256 = $1`,
    [digest],
  );
  if (!row || !timingSafeEqual(Buffer.from(row.token_sha256), Buffer.from(digest))) return undefined;
  return { id: row.id, name: row.name, blockedFor: row.blocked_for, expired: row.expired === true };
}

/** Those whose shards were accepted, the most pairs first. */
export async function leaderboard(sql: Sql, most: number): Promise<Leaderboard> {
  const rows = await sql.query<{ name: string; pairs: string; shards: string; since: Date }>(
    `SELECT name, accepted_pairs AS pairs, accepted_shards AS shards, created_at AS since FROM gleaner.volunteer
     WHERE accepted_shards > 0 AND blocked_at IS NULL ORDER BY accepted_pairs DESC, created_at, name LIMIT $1`,
    [most],
  );
  return {
    volunteers: rows.map(({ name, pairs, shards, since }) => ({
      name,
      pairs: Number(pairs),
      shards: Number(shards),
      since: since.toISOString().slice(0, 10),
    })),
  };
}
