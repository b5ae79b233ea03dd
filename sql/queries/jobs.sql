-- part: columns
tenant_id, id, kind, subject, state, may_stop, done, total, place, result, error, tries, account_id, key_id, created_at, started_at, ended_at, expires_at

-- name: add
-- Nothing where the same is wanted already.
INSERT INTO job (tenant_id, id, kind, subject, may_stop, account_id, key_id, created_at)
VALUES (:tenant_id, :id, :kind, :subject, :may_stop, :account_id, :key_id, :now) ON CONFLICT DO NOTHING RETURNING
-- include: jobs.columns
;

-- name: wanted
SELECT
-- include: jobs.columns
FROM job WHERE tenant_id = :tenant_id AND kind = :kind AND subject IS NOT DISTINCT FROM :subject AND state IN ('queued', 'running');

-- name: by_id
SELECT
-- include: jobs.columns
FROM job WHERE tenant_id = :tenant_id AND id = :id;

-- name: newest
SELECT
-- include: jobs.columns
FROM job WHERE tenant_id = :tenant_id AND id < :before_id ORDER BY id DESC LIMIT :most;

-- name: begin
-- The one that runs, for it was left by a death; else the oldest that waits.
UPDATE job SET state = 'running', started_at = coalesce(started_at, :now), tries = tries + 1
WHERE tenant_id = :tenant_id AND id = (SELECT id FROM job WHERE tenant_id = :tenant_id AND kind = :kind AND state IN ('queued', 'running')
                                       ORDER BY state = 'queued', id LIMIT 1) RETURNING
-- include: jobs.columns
;

-- name: note
-- Nothing where it was cancelled meanwhile.
UPDATE job SET done = :done, total = :total, place = :place, tries = 0 WHERE tenant_id = :tenant_id AND id = :id AND state = 'running';

-- name: finish
UPDATE job SET state = 'done', result = :result, place = NULL, ended_at = :now, expires_at = :expires_at, done = coalesce(total, done), tries = 0
WHERE tenant_id = :tenant_id AND id = :id AND state = 'running';

-- name: fail
-- Where it was stays: it may be tried again.
UPDATE job SET state = 'failed', error = :error, ended_at = :now WHERE tenant_id = :tenant_id AND id = :id AND state = 'running';

-- name: cancel
-- One that was begun and failed, also while it waits for another try, may be half done.
UPDATE job SET state = 'cancelled', place = NULL, error = NULL, ended_at = :now
WHERE tenant_id = :tenant_id AND id = :id AND state IN ('queued', 'running', 'failed') AND (may_stop OR state = 'queued' AND started_at IS NULL);

-- name: retry
UPDATE job SET state = 'queued', error = NULL, ended_at = NULL, tries = 0 WHERE tenant_id = :tenant_id AND id = :id AND state = 'failed';

-- name: waiting
SELECT tenant_id, kind FROM waiting_jobs();

-- name: expired
SELECT
-- include: jobs.columns
FROM job WHERE tenant_id = :tenant_id AND expires_at <= :now ORDER BY expires_at LIMIT :most;

-- name: lose_subjects
-- Of this kind about these: what waits or runs ends, and whoever has a file is to lose it.
WITH stopped AS (
    UPDATE job SET state = CASE WHEN state IN ('queued', 'running') THEN 'cancelled' ELSE state END, place = NULL, expires_at = NULL,
        ended_at = coalesce(ended_at, :now)
    WHERE tenant_id = :tenant_id AND kind = :kind AND subject = ANY (:subjects::uuid[]) RETURNING id
)
SELECT id FROM stopped;

-- name: lose_file
UPDATE job SET expires_at = NULL WHERE tenant_id = :tenant_id AND id = :id;
