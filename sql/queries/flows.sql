-- name: insert_flow
INSERT INTO flow (tenant_id, id, key, number_id, created_at) VALUES (:tenant_id, :id, :key, :number_id, :created_at) ON CONFLICT DO NOTHING;

-- name: lock_flow
SELECT id, published_version_id FROM flow WHERE tenant_id = :tenant_id AND key = :key AND number_id IS NOT DISTINCT FROM :number_id FOR NO KEY UPDATE;

-- name: latest
SELECT id, n, sha256 FROM flow_version WHERE tenant_id = :tenant_id AND flow_id = :flow_id ORDER BY n DESC LIMIT 1;

-- name: insert_version
INSERT INTO flow_version (tenant_id, id, flow_id, n, spec, sha256, definition, status, author, note, created_at, published_at)
VALUES (:tenant_id, :id, :flow_id, :n, :spec, :sha256, :definition, 'published', :author, :note, :now, :now);

-- name: retire
UPDATE flow_version SET status = 'retired' WHERE tenant_id = :tenant_id AND flow_id = :flow_id AND status = 'published' AND id <> :keep_id;

-- name: point
UPDATE flow SET published_version_id = :version_id WHERE tenant_id = :tenant_id AND id = :flow_id;

-- name: definitions
SELECT id, definition FROM flow_version WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: listing
SELECT f.key, f.number_id, v.n, v.sha256, v.published_at, v.author FROM flow f
JOIN flow_version v ON v.tenant_id = f.tenant_id AND v.id = f.published_version_id WHERE f.tenant_id = :tenant_id ORDER BY f.key, f.number_id;
