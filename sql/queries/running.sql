-- name: mark
-- Before the work, in one trip: committed for everybody, but not waited for on the disk (what a death of ours must not take is kept by
-- the server; a death of the server is nobody's suspicion).
INSERT INTO running AS r (boot, stage, holder, tenant_ids, ids, seen_at)
SELECT :boot, 'turn', :holder, :tenant_ids::bigint[], :ids::uuid[], now() FROM set_config('synchronous_commit', 'off', true)
ON CONFLICT (boot, stage) DO UPDATE SET tenant_ids = excluded.tenant_ids, ids = excluded.ids, seen_at = excluded.seen_at;

-- name: clear
DELETE FROM running WHERE boot = :boot AND stage = :stage;

-- name: beat
UPDATE running SET seen_at = now() WHERE boot = :boot;

-- name: recall
-- Whom we have written down as ours to run alone.
SELECT s.tenant_id, s.id FROM running r CROSS JOIN LATERAL unnest(r.tenant_ids, r.ids) AS s (tenant_id, id) WHERE r.boot = :boot AND r.stage = 'alone';

-- name: take_over
-- Whoever deletes a dead process's rows has its suspects, and has written them down as his own when that commits.
WITH dead AS (
    DELETE FROM running WHERE boot <> :boot AND (holder = :holder OR seen_at < now() - make_interval(secs => :ttl_s))
    RETURNING tenant_ids, ids
), suspects AS (
    SELECT DISTINCT s.tenant_id, s.id FROM dead CROSS JOIN LATERAL unnest(dead.tenant_ids, dead.ids) AS s (tenant_id, id)
), kept AS (
    INSERT INTO running AS r (boot, stage, holder, tenant_ids, ids, seen_at)
    SELECT :boot, 'alone', :holder, array_agg(tenant_id), array_agg(id), now() FROM suspects HAVING count(*) > 0
    ON CONFLICT (boot, stage) DO UPDATE SET tenant_ids = r.tenant_ids || excluded.tenant_ids, ids = r.ids || excluded.ids, seen_at = now()
)
SELECT tenant_id, id FROM suspects;
