-- name: add
INSERT INTO webhook (tenant_id, id, url, description, types, secret, place, created_at)
VALUES (:tenant_id, :id, :url, :description, :types, :secret, :place, :now);

-- name: everyone
-- A business has some.
SELECT id, url, description, types, secret, old_secret, old_secret_until, place, failing_since, disabled_at, disabled_why, created_at
FROM webhook WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :most;

-- name: one
SELECT id, url, description, types, secret, old_secret, old_secret_until, place, failing_since, disabled_at, disabled_why, created_at
FROM webhook WHERE tenant_id = :tenant_id AND id = :id;

-- name: lock
-- Whoever changes it, or claims its deliveries.
SELECT id, url, description, types, secret, old_secret, old_secret_until, place, failing_since, disabled_at, disabled_why, created_at
FROM webhook WHERE tenant_id = :tenant_id AND id = :id FOR NO KEY UPDATE;

-- name: count
SELECT count(*)::int AS webhooks, (count(*) FILTER (WHERE disabled_at IS NULL))::int AS enabled FROM webhook WHERE tenant_id = :tenant_id;

-- name: change
UPDATE webhook SET url = :url, description = :description, types = :types, place = :place, failing_since = :failing_since,
    disabled_at = :disabled_at, disabled_why = :disabled_why
WHERE tenant_id = :tenant_id AND id = :id;

-- name: rotate
UPDATE webhook SET secret = :secret, old_secret = :old_secret, old_secret_until = :old_secret_until WHERE tenant_id = :tenant_id AND id = :id;

-- name: drop
DELETE FROM webhook WHERE tenant_id = :tenant_id AND id = :id;

-- name: due
SELECT tenant_id, webhook_id FROM due_webhooks(:at);

-- name: waiting
-- How many wait, counted no further than matters.
SELECT count(*)::int AS n FROM (
    SELECT FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND state = 'waiting' LIMIT :most
) AS d;

-- name: take
-- What comes next in the feed becomes deliveries, as far as the webhook wants it. Under its lock. Says how much it has looked at.
WITH next AS (
    SELECT f.n, f.id, f.type, row_number() OVER (ORDER BY f.n) AS i FROM (
        SELECT n, id, type FROM feed WHERE tenant_id = :tenant_id AND n > :place ORDER BY n LIMIT :most
    ) AS f
), made AS (
    INSERT INTO webhook_delivery (tenant_id, webhook_id, id, n, event_id, type, state, tries, due_at, attempts, created_at)
    SELECT :tenant_id, :webhook_id, k.id, x.n, x.id, x.type, 'waiting', 0, :now, '[]', :now
    FROM next x JOIN unnest(:ids::uuid[]) WITH ORDINALITY AS k (id, i) ON k.i = x.i
    WHERE cardinality(:types::text[]) = 0 OR x.type = ANY (:types)
), top AS (SELECT max(n) AS n FROM next)
UPDATE webhook SET place = top.n FROM top WHERE tenant_id = :tenant_id AND id = :webhook_id AND top.n IS NOT NULL
RETURNING (SELECT count(*)::int FROM next) AS n;

-- name: claim
-- Those that are due, the longest waiting first; nobody else takes them for a while. Under the webhook's lock. None of a business that is
-- suspended.
UPDATE webhook_delivery d SET due_at = :until
FROM (
    SELECT id, n FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND state = 'waiting' AND due_at <= :now
      AND NOT EXISTS (SELECT FROM tenant WHERE id = :tenant_id AND suspended_at IS NOT NULL)
    ORDER BY due_at, id LIMIT :most
) AS c LEFT JOIN feed f ON f.tenant_id = :tenant_id AND f.n = c.n
WHERE d.tenant_id = :tenant_id AND d.webhook_id = :webhook_id AND d.id = c.id
RETURNING d.id, d.event_id, d.type, d.tries, coalesce(f.at, d.created_at) AS at, coalesce(d.data, f.data) AS data;

-- name: record
-- What came of some. One that has been replayed or dropped meanwhile keeps what it is.
UPDATE webhook_delivery d SET state = r.state, due_at = r.due_at, tries = d.tries + 1,
    attempts = CASE WHEN jsonb_array_length(d.attempts) >= 20 THEN d.attempts - 0 ELSE d.attempts END || r.attempt
FROM json_to_recordset(:done::json) AS r (id uuid, state text, due_at timestamptz, attempt jsonb)
WHERE d.tenant_id = :tenant_id AND d.webhook_id = :webhook_id AND d.id = r.id AND d.state = 'waiting';

-- name: health
UPDATE webhook SET failing_since = :failing_since WHERE tenant_id = :tenant_id AND id = :id;

-- name: add_test
INSERT INTO webhook_delivery (tenant_id, webhook_id, id, event_id, type, data, state, tries, due_at, attempts, created_at)
VALUES (:tenant_id, :webhook_id, :id, :event_id, :type, :data, 'waiting', 0, :now, '[]', :now);

-- name: delivery
SELECT id, event_id, type, state, tries, due_at, attempts, created_at
FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id = :id;

-- name: deliveries
SELECT id, event_id, type, state, tries, due_at, attempts, created_at
FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id < :before ORDER BY id DESC LIMIT :most;

-- name: deliveries_in
SELECT id, event_id, type, state, tries, due_at, attempts, created_at
FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND state = :state AND id < :before ORDER BY id DESC LIMIT :most;

-- name: replay
-- At once and from the beginning of their tries.
UPDATE webhook_delivery SET state = 'waiting', tries = 0, due_at = :now WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id = :id;

-- name: replay_dead
-- The oldest first, a chunk at a time; ids are in the order of time.
UPDATE webhook_delivery SET state = 'waiting', tries = 0, due_at = :now
WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id IN (
    SELECT id FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND state = 'dead' AND id >= :since
    ORDER BY id LIMIT :most);

-- name: forget
-- What is over for long, a chunk at a time: by then it is no longer in the feed either.
DELETE FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id IN (
    SELECT id FROM webhook_delivery WHERE tenant_id = :tenant_id AND webhook_id = :webhook_id AND id < :before ORDER BY id LIMIT :most);
