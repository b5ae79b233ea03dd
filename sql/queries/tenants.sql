-- name: insert
INSERT INTO tenant (slug, name, timezone, language, data_key, created_at)
VALUES (:slug, :name, :timezone, :language, :data_key, :created_at) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: by_slug
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE slug = :slug;

-- name: by_ids
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE id = ANY (:ids::bigint[]);

-- name: everyone
SELECT id, slug, name, timezone, language, data_key FROM tenant ORDER BY id;

-- name: kept_keys
SELECT id, slug AS name, data_key AS sealed FROM tenant WHERE id > :after ORDER BY id LIMIT :most;

-- name: renew_keys
-- Only what still is as it was read.
UPDATE tenant t SET data_key = k.new FROM unnest(:ids::bigint[], :olds::bytea[], :news::bytea[]) AS k (id, old, new)
WHERE t.id = k.id AND t.data_key = k.old;
