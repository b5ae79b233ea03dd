-- name: insert
INSERT INTO tenant (slug, name, timezone, language, data_key, created_at)
VALUES (:slug, :name, :timezone, :language, :data_key, :created_at) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: by_slug
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE slug = :slug;

-- name: by_ids
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE id = ANY (:ids::bigint[]);

-- name: everyone
SELECT id, slug, name, timezone, language, data_key FROM tenant ORDER BY id;

-- name: settings
SELECT name, timezone, language, messages_kept_days, events_kept_days, media_kept_days FROM tenant WHERE id = :tenant_id;

-- name: lock_settings
SELECT name, timezone, language, messages_kept_days, events_kept_days, media_kept_days FROM tenant WHERE id = :tenant_id FOR NO KEY UPDATE;

-- name: save_settings
UPDATE tenant SET name = :name, timezone = :timezone, language = :language, messages_kept_days = :messages_kept_days,
    events_kept_days = :events_kept_days, media_kept_days = :media_kept_days WHERE id = :tenant_id;

-- name: listing
SELECT id AS tenant_id, slug, name, timezone, language, created_at, suspended_at, suspended_for FROM tenant WHERE id > :after ORDER BY id LIMIT :most;

-- name: shown
SELECT id AS tenant_id, slug, name, timezone, language, created_at, suspended_at, suspended_for FROM tenant WHERE slug = :slug;

-- name: lock_one
SELECT id AS tenant_id, slug, name, timezone, language, created_at, suspended_at, suspended_for FROM tenant WHERE slug = :slug FOR NO KEY UPDATE;

-- name: change
UPDATE tenant SET name = :name, timezone = :timezone, language = :language, suspended_at = :suspended_at, suspended_for = :suspended_for WHERE id = :tenant_id;

-- name: suspension
SELECT suspended_for FROM tenant WHERE id = :tenant_id AND suspended_at IS NOT NULL;

-- name: kept_keys
SELECT id, slug AS name, data_key AS sealed FROM tenant WHERE id > :after ORDER BY id LIMIT :most;

-- name: renew_keys
-- Only what still is as it was read.
UPDATE tenant t SET data_key = k.new FROM unnest(:ids::bigint[], :olds::bytea[], :news::bytea[]) AS k (id, old, new)
WHERE t.id = k.id AND t.data_key = k.old;
