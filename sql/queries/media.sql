-- name: insert
-- The same bytes under the same type and name are the same file: no row comes back, and `same` has it.
INSERT INTO media (tenant_id, id, sha256, mime, size, filename, created_at)
VALUES (:tenant_id, :id, :sha256, :mime, :size, :filename, :created_at) ON CONFLICT DO NOTHING
RETURNING id, sha256, mime, size, filename, created_at;

-- name: same
SELECT id, sha256, mime, size, filename, created_at FROM media
WHERE tenant_id = :tenant_id AND sha256 = :sha256 AND mime = :mime AND filename IS NOT DISTINCT FROM :filename;

-- name: by_ids
-- (Row by row: before the first ANALYZE an array of ids leads the planner through all of the tenant's, by the other index.)
SELECT m.id, m.sha256, m.mime, m.size, m.filename, m.created_at FROM unnest(:ids::uuid[]) AS n (id) CROSS JOIN LATERAL (
    SELECT * FROM media m WHERE m.tenant_id = :tenant_id AND m.id = n.id OFFSET 0
) AS m;

-- name: hold
-- Whoever deletes one of these waits for us, and then sees what we wrote. In the order given: sorted. (Row by row, as `by_ids`.)
SELECT FROM unnest(:ids::uuid[]) AS n (id) CROSS JOIN LATERAL (SELECT FROM media m WHERE m.tenant_id = :tenant_id AND m.id = n.id OFFSET 0 FOR KEY SHARE) AS m;

-- name: newest
-- Ids begin with their time.
SELECT id, sha256, mime, size, filename, created_at FROM media WHERE tenant_id = :tenant_id ORDER BY id DESC LIMIT :most;

-- name: uploads
SELECT media_id, meta_id FROM media_upload
WHERE tenant_id = :tenant_id AND number_id = :number_id AND media_id = ANY (:ids::uuid[]) AND expires_at > :now;

-- name: record_upload
-- Two may have uploaded it at once: either id is good, the last one stays.
INSERT INTO media_upload (tenant_id, number_id, media_id, meta_id, uploaded_at, expires_at)
VALUES (:tenant_id, :number_id, :media_id, :meta_id, :uploaded_at, :expires_at)
ON CONFLICT (tenant_id, number_id, media_id) DO UPDATE
SET meta_id = excluded.meta_id, uploaded_at = excluded.uploaded_at, expires_at = excluded.expires_at;

-- name: forget_uploads
DELETE FROM media_upload u USING unnest(:ids::uuid[], :meta_ids::text[]) AS n (media_id, meta_id)
WHERE u.tenant_id = :tenant_id AND u.number_id = :number_id AND u.media_id = n.media_id AND u.meta_id = n.meta_id;

-- name: hold_bytes
-- One at a time with these bytes, whoever writes a row of them or deletes them: until the end of the transaction.
WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended(:sha256, :tenant_id))) SELECT FROM held;

-- name: page
SELECT id, sha256, mime, size, filename, created_at FROM media WHERE tenant_id = :tenant_id AND id < :before_id ORDER BY id DESC LIMIT :most;

-- name: old
SELECT id, sha256, mime, size, filename, created_at FROM media WHERE tenant_id = :tenant_id AND id > :after AND id < :before ORDER BY id LIMIT :most;

-- name: drop
-- Waits for messages that are being written with it in them.
WITH uploads AS (DELETE FROM media_upload WHERE tenant_id = :tenant_id AND media_id = :id)
DELETE FROM media WHERE tenant_id = :tenant_id AND id = :id;

-- name: needed
-- After `drop`, in a statement of its own, which sees what that has waited for. Of all that has not gone: rarely asked.
SELECT id FROM message WHERE tenant_id = :tenant_id AND state IN ('queued', 'sending', 'in_doubt') AND strpos(concat(content, fallback), :id::uuid::text) > 0 LIMIT 1;

-- name: same_bytes
SELECT id, sha256, mime, size, filename, created_at FROM media WHERE tenant_id = :tenant_id AND sha256 = :sha256 LIMIT 1;
