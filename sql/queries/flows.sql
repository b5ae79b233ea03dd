-- name: insert_flow
INSERT INTO flow (tenant_id, id, key, number_id, created_at) VALUES (:tenant_id, :id, :key, :number_id, :created_at) ON CONFLICT DO NOTHING;

-- name: count
SELECT count(*) AS n FROM flow WHERE tenant_id = :tenant_id;

-- name: lock
-- Whoever makes or moves versions of a flow holds its row: no number is given twice, and one version answers.
SELECT id, key, number_id, published_version_id, created_at FROM flow WHERE tenant_id = :tenant_id AND id = :id FOR NO KEY UPDATE;

-- name: lock_named
SELECT id, key, number_id, published_version_id, created_at FROM flow
WHERE tenant_id = :tenant_id AND key = :key AND number_id IS NOT DISTINCT FROM :number_id FOR NO KEY UPDATE;

-- name: one
SELECT id, key, number_id, published_version_id, created_at FROM flow WHERE tenant_id = :tenant_id AND id = :id;

-- name: page
SELECT id, key, number_id, published_version_id, created_at FROM flow WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :most;

-- name: move
UPDATE flow SET number_id = :number_id WHERE tenant_id = :tenant_id AND id = :id;

-- name: point
UPDATE flow SET published_version_id = :version_id WHERE tenant_id = :tenant_id AND id = :flow_id;

-- name: drop_empty
-- A flow that never had anything but the draft that is gone.
DELETE FROM flow WHERE tenant_id = :tenant_id AND id = :id AND NOT EXISTS (SELECT FROM flow_version v WHERE v.tenant_id = :tenant_id AND v.flow_id = :id);

-- name: latest
SELECT coalesce(max(n), 0) AS n FROM flow_version WHERE tenant_id = :tenant_id AND flow_id = :flow_id;

-- name: insert_version
INSERT INTO flow_version
    (tenant_id, id, flow_id, n, spec, sha256, definition, source, status, errors, warnings, author, note, created_at, published_at)
VALUES (:tenant_id, :id, :flow_id, :n, :spec, :sha256, :definition, :source, :status, :errors, :warnings, :author, :note, :now,
        CASE WHEN :status <> 'draft' THEN :now::timestamptz END);

-- name: save_draft
-- The one statement that changes a definition: never of a version that has answered.
UPDATE flow_version SET sha256 = :sha256, spec = :spec, definition = :definition, source = :source, errors = :errors, warnings = :warnings,
    author = :author, note = :note, created_at = :now
WHERE tenant_id = :tenant_id AND id = :id AND status = 'draft';

-- name: drop_draft
DELETE FROM flow_version WHERE tenant_id = :tenant_id AND id = :id AND status = 'draft';

-- name: promote
UPDATE flow_version SET status = 'published', published_at = :now, errors = 0, warnings = :warnings WHERE tenant_id = :tenant_id AND id = :id;

-- name: retire
UPDATE flow_version SET status = 'retired' WHERE tenant_id = :tenant_id AND flow_id = :flow_id AND status = 'published';

-- name: current
-- Of these flows the version that answers and the draft.
SELECT id, flow_id, n, status, spec, sha256, author, note, errors, warnings, created_at, published_at FROM flow_version
WHERE tenant_id = :tenant_id AND flow_id = ANY (:flow_ids::uuid[]) AND status IN ('draft', 'published') ORDER BY flow_id, status;

-- name: version
SELECT id, flow_id, n, status, spec, sha256, author, note, errors, warnings, created_at, published_at FROM flow_version
WHERE tenant_id = :tenant_id AND id = :id;

-- name: versions
SELECT id, flow_id, n, status, spec, sha256, author, note, errors, warnings, created_at, published_at FROM flow_version
WHERE tenant_id = :tenant_id AND flow_id = :flow_id AND n < :before ORDER BY n DESC LIMIT :most;

-- name: text
SELECT source, definition FROM flow_version WHERE tenant_id = :tenant_id AND id = :id;

-- name: definitions
SELECT id, definition FROM flow_version WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: listing
SELECT f.key, f.number_id, v.n, v.sha256, v.published_at, v.author FROM flow f
JOIN flow_version v ON v.tenant_id = f.tenant_id AND v.id = f.published_version_id WHERE f.tenant_id = :tenant_id ORDER BY f.key, f.number_id;
