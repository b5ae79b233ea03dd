-- name: insert
INSERT INTO tenant (slug, name, timezone, language, data_key, created_at)
VALUES (:slug, :name, :timezone, :language, :data_key, :created_at) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: by_slug
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE slug = :slug;

-- name: by_ids
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE id = ANY (:ids::bigint[]);

-- name: everyone
SELECT id, slug, name, timezone, language, data_key FROM tenant ORDER BY id;
