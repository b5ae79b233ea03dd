-- name: newest
SELECT id, what, state, code, reason, conversation_id, at FROM dead_letter WHERE tenant_id = :tenant_id ORDER BY at DESC, id DESC LIMIT :most;

-- name: page
SELECT id, what, state, code, reason, conversation_id, at FROM dead_letter WHERE tenant_id = :tenant_id AND (at, id) < (:before_at, :before_id::uuid)
ORDER BY at DESC, id DESC LIMIT :most;

-- name: count
SELECT count(*)::int AS letters FROM dead_letter WHERE tenant_id = :tenant_id;

-- name: pick
-- These, or with none given all, the oldest first; `after` goes on behind the last of the batch before.
SELECT id, what, at FROM dead_letter WHERE tenant_id = :tenant_id AND (cardinality(:ids::uuid[]) = 0 OR id = ANY (:ids::uuid[]))
AND (at, id) > (:after_at, :after_id::uuid) ORDER BY at, id LIMIT :most;
