-- name: add
-- What a transaction has to tell, in one statement: what it says itself, and the messages whose state it has moved, as they are now.
-- (`queued`, `sending` and `in_doubt` are our own affair.)
INSERT INTO feed_new (tenant_id, id, type, at, data)
SELECT :tenant_id, t.id, t.type, t.at, t.data FROM (
    SELECT h.place, h.id, h.type, h.at, h.data FROM ROWS FROM (
        json_to_recordset(:told::json) AS (id uuid, type text, at timestamptz, data jsonb)
    ) WITH ORDINALITY AS h (id, type, at, data, place)
    UNION ALL
    SELECT 2147483648 + s.place, s.id, 'message.status', :now::timestamptz, jsonb_build_object(
        'message_id', m.id, 'contact_id', m.contact_id, 'conversation_id', m.conversation_id, 'number_id', m.number_id, 'state', m.state,
        'reason', m.reason, 'code', m.code, 'wamid', m.wamid, 'source', m.source, 'source_id', m.source_id)
    FROM unnest(:ids::uuid[], :message_ids::uuid[]) WITH ORDINALITY AS s (id, message_id, place)
    JOIN message m ON m.tenant_id = :tenant_id AND m.id = s.message_id
    WHERE m.state NOT IN ('queued', 'sending', 'in_doubt')
) AS t ORDER BY t.place;

-- name: audience
SELECT tenant_id FROM feed_audience(:at);

-- name: heads
SELECT tenant_id, last, waiting FROM feed_heads(:ids::bigint[]);

-- name: listen
-- Somebody listens until then. Where nobody did meanwhile, a number is left out: who read to before it has missed something.
INSERT INTO feed_head AS h (tenant_id, last, floor, held, listened_until) VALUES (:tenant_id, 0, 0, false, :until)
ON CONFLICT (tenant_id) DO UPDATE SET
    last = CASE WHEN h.held OR h.listened_until > :now THEN h.last ELSE h.last + 1 END,
    floor = CASE WHEN h.held OR h.listened_until > :now THEN h.floor ELSE h.last + 1 END,
    listened_until = greatest(h.listened_until, excluded.listened_until)
RETURNING last, floor;

-- name: hold
UPDATE feed_head SET held = :held WHERE tenant_id = :tenant_id;

-- name: lock
SELECT last, floor FROM feed_head WHERE tenant_id = :tenant_id FOR NO KEY UPDATE;

-- name: number
-- With the head's lock, in a later statement: whatever is visible now comes before whatever is not yet.
WITH taken AS (
    DELETE FROM feed_new WHERE tenant_id = :tenant_id AND seq IN (SELECT seq FROM feed_new WHERE tenant_id = :tenant_id ORDER BY seq LIMIT :most)
    RETURNING seq, id, type, at, data
), numbered AS (
    INSERT INTO feed (tenant_id, n, id, type, at, data)
    SELECT :tenant_id, :last + row_number() OVER (ORDER BY seq), id, type, at, data FROM taken RETURNING n
), top AS (SELECT max(n) AS n, count(*)::int AS numbered FROM numbered)
UPDATE feed_head SET last = top.n FROM top WHERE tenant_id = :tenant_id AND top.n IS NOT NULL RETURNING last, numbered;

-- name: read
SELECT n, id, type, at, data FROM feed WHERE tenant_id = :tenant_id AND n > :after ORDER BY n LIMIT :most;

-- name: drop
-- The oldest, a chunk at a time, with the head's lock.
WITH gone AS (
    DELETE FROM feed WHERE tenant_id = :tenant_id AND n IN (SELECT n FROM feed WHERE tenant_id = :tenant_id ORDER BY n LIMIT :most) AND at < :before RETURNING n
), top AS (SELECT max(n) AS n, count(*)::int AS dropped FROM gone)
UPDATE feed_head SET floor = greatest(floor, top.n) FROM top WHERE tenant_id = :tenant_id AND top.n IS NOT NULL RETURNING floor, dropped;

-- name: drop_new
-- What nobody has listened to, a chunk at a time.
DELETE FROM feed_new WHERE tenant_id = :tenant_id AND seq IN (SELECT seq FROM feed_new WHERE tenant_id = :tenant_id ORDER BY seq LIMIT :most) AND at < :before;
