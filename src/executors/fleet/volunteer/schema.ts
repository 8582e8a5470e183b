/** Tables of those who lend their machines. A token is kept as its SHA-256 alone. */
export const VOLUNTEER_SQL = `
CREATE TABLE IF NOT EXISTS gleaner.volunteer (
  id text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  token_sha256 text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  blocked_at timestamptz,
  blocked_for text,
  pardoned_at timestamptz NOT NULL DEFAULT '-infinity',
  accepted_shards bigint NOT NULL DEFAULT 0,
  accepted_pairs bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS gleaner.volunteer_lease (
  id text PRIMARY KEY,
  volunteer text NOT NULL REFERENCES gleaner.volunteer (id) ON DELETE CASCADE,
  worker text NOT NULL,
  run text NOT NULL REFERENCES gleaner.run (id) ON DELETE CASCADE,
  index int NOT NULL,
  job uuid NOT NULL,
  job_started_on timestamptz NOT NULL,
  task jsonb NOT NULL,
  pairs int NOT NULL,
  lent int NOT NULL DEFAULT 0,
  declared jsonb,
  state text NOT NULL DEFAULT 'working'
    CHECK (state IN ('working', 'auditing', 'accepted', 'refused', 'returned', 'lost', 'redoing', 'redone')),
  kept int NOT NULL DEFAULT 0,
  verdict text,
  leased_at timestamptz NOT NULL DEFAULT now(),
  heard_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  swept_at timestamptz
);
CREATE INDEX IF NOT EXISTS volunteer_lease_open ON gleaner.volunteer_lease (state) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS volunteer_lease_unswept ON gleaner.volunteer_lease (ended_at) WHERE swept_at IS NULL;
CREATE INDEX IF NOT EXISTS volunteer_lease_of ON gleaner.volunteer_lease (volunteer, ended_at);
CREATE TABLE IF NOT EXISTS gleaner.volunteer_exempt (
  run text NOT NULL REFERENCES gleaner.run (id) ON DELETE CASCADE,
  index int NOT NULL,
  PRIMARY KEY (run, index)
);
`;
