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
-- What an autoscaler asks for, often: of stages by their own counts, so that free and finished jobs are not looked at.
CREATE OR REPLACE VIEW gleaner.queue_depth AS
WITH done AS (
  SELECT s.run, s.stage, s.tasks, s.done_before + coalesce(sum(t.tasks), 0) AS done
  FROM gleaner.stage s
  JOIN gleaner.run r ON r.id = s.run AND r.state = 'running'
  LEFT JOIN gleaner.tally t ON t.run = s.run AND t.stage = s.stage
  GROUP BY s.run, s.stage
), under_way AS (
  SELECT data->>'run' AS run, data->>'stage' AS stage, name,
         count(*) FILTER (WHERE state = 'active') AS active,
         count(*) FILTER (WHERE state = 'failed') AS failed
  FROM pgboss.job
  WHERE state IN ('retry', 'active', 'failed') AND data->>'run' IS NOT NULL
    AND name NOT IN ('gate', 'plan', 'settle', 'audit') AND name NOT LIKE 'dead-%'
  GROUP BY 1, 2, 3
), stages AS (
  SELECT CASE WHEN d.stage = 'harvest' AND r.spec->>'provider' <> 'cpu' THEN 'harvest-gpu' ELSE d.stage END AS queue,
         d.stage,
         -- Of what is fetched apart only what is fetched can be harvested.
         least(d.tasks, CASE WHEN d.stage = 'harvest' AND f.tasks > 0 THEN f.done ELSE d.tasks END) - d.done
           - coalesce(u.active, 0) - coalesce(u.failed, 0) AS queued,
         coalesce(u.active, 0) AS active,
         coalesce(u.failed, 0) AS failed
  FROM done d
  JOIN gleaner.run r ON r.id = d.run
  LEFT JOIN done f ON f.run = d.run AND f.stage = 'fetch'
  LEFT JOIN under_way u ON u.run = d.run AND u.stage = d.stage
)
SELECT queue, stage, sum(greatest(queued, 0)) AS queued, sum(active) AS active, sum(failed) AS failed
FROM stages GROUP BY queue, stage
UNION ALL
SELECT name, name,
       count(*) FILTER (WHERE state IN ('created', 'retry') AND NOT blocked),
       count(*) FILTER (WHERE state = 'active'),
       count(*) FILTER (WHERE state = 'failed')
FROM pgboss.job WHERE name IN ('gate', 'plan', 'settle', 'audit') AND (state < 'completed' OR state = 'failed')
GROUP BY name;
${VOLUNTEER_SQL}`;
