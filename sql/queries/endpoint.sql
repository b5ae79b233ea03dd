-- name: claim_key
-- Waits for whoever is at the same key, and touches no row when he has come to an end.
INSERT INTO idempotency_key (tenant_id, caller_id, key, request_sha256, answer, created_at)
VALUES (:tenant_id, :caller_id, :key, :request_sha256, '', :now) ON CONFLICT DO NOTHING;

-- name: keep_answer
UPDATE idempotency_key SET answer = :answer WHERE tenant_id = :tenant_id AND caller_id = :caller_id AND key = :key;

-- name: kept_answer
SELECT request_sha256, answer FROM idempotency_key WHERE tenant_id = :tenant_id AND caller_id = :caller_id AND key = :key;

-- name: forget_keys
DELETE FROM idempotency_key WHERE tenant_id = :tenant_id AND created_at < :before;

-- name: answers
-- The next ones: at most :most and about :most_bytes (at least one).
SELECT caller_id, key, answer FROM (
    SELECT caller_id, key, answer, sum(octet_length(answer)) OVER (ORDER BY caller_id, key ROWS UNBOUNDED PRECEDING) - octet_length(answer) AS before
    FROM (SELECT caller_id, key, answer FROM idempotency_key
          WHERE tenant_id = :tenant_id AND (caller_id, key) > (:after_caller, :after_key) ORDER BY caller_id, key LIMIT :most) AS following
) AS measured WHERE before < :most_bytes ORDER BY caller_id, key;

-- name: forget_key
DELETE FROM idempotency_key WHERE tenant_id = :tenant_id AND caller_id = :caller_id AND key = :key;
