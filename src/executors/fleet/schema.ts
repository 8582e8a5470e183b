import { VOLUNTEER_SQL } from './volunteer/schema.ts';

/** Version of the tables below: a worker of one version does not write into those of another. */
export const SCHEMA_VERSION = 1;

/**
 * Tables of a fleet beside those of its queue. Every time in them is the database's own. The spec is no jsonb, which would
 * give its keys another order, and so the report.
 */
export const SCHEMA_SQL = `
CREATE SCHEMA IF NOT EXISTS gleaner;
CREATE TABLE IF NOT EXISTS gleaner.schema_version (version int NOT NULL);
CREATE TABLE IF NOT EXISTS gleaner.run (
  id text PRIMARY KEY,
  fingerprint text NOT NULL,
  name text NOT NULL,
  location text NOT NULL,
  spec json NOT NULL,
  priority int NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled')),
  submitted_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
CREATE TABLE IF NOT EXISTS gleaner.stage (
  run text NOT NULL REFERENCES gleaner.run (id) ON DELETE CASCADE,
  stage text NOT NULL,
  tasks int NOT NULL,
  done_before int NOT NULL DEFAULT 0,
  open_groups int NOT NULL,
  planned_at timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (run, stage)
);
CREATE TABLE IF NOT EXISTS gleaner.tally (
  run text NOT NULL REFERENCES gleaner.run (id) ON DELETE CASCADE,
  stage text NOT NULL,
  worker text NOT NULL,
  tasks bigint NOT NULL DEFAULT 0,
  seconds float8 NOT NULL DEFAULT 0,
  cpu_seconds float8 NOT NULL DEFAULT 0,
  ledgers jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (run, stage, worker)
);
CREATE TABLE IF NOT EXISTS gleaner.worker (
  id text PRIMARY KEY,
  name text NOT NULL,
  host text NOT NULL,
  pid int NOT NULL,
  kind text NOT NULL DEFAULT 'trusted' CHECK (kind IN ('trusted', 'volunteer')),
  stages text[] NOT NULL,
  gpu bool NOT NULL DEFAULT false,
  version text NOT NULL,
  slots int NOT NULL DEFAULT 0,
  busy int NOT NULL DEFAULT 0,
  memory_bytes bigint NOT NULL DEFAULT 0,
  memory_limit_bytes bigint NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'idle' CHECK (state IN ('working', 'idle', 'draining', 'gone')),
  doing jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);
-- Of millions of jobs, those that a worker has, that failed, or that are to be tried again: a status counts nothing else.
CREATE INDEX IF NOT EXISTS gleaner_under_way ON pgboss.job ((data->>'run'))
  WHERE state IN ('retry', 'active', 'failed');
CREATE OR REPLACE VIEW gleaner.queue_depth AS
SELECT name AS queue,
       CASE name WHEN 'harvest-gpu' THEN 'harvest' ELSE name END AS stage,
       count(*) FILTER (WHERE state IN ('created', 'retry') AND NOT blocked) AS queued,
       count(*) FILTER (WHERE state = 'active') AS active,
       count(*) FILTER (WHERE state = 'failed') AS failed
FROM pgboss.job
WHERE state < 'completed' OR state = 'failed'
GROUP BY name;
${VOLUNTEER_SQL}`;
