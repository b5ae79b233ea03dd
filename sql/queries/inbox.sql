-- part: talk
v.id, coalesce(w.id, c.id) AS contact_id, coalesce(w.name, c.name) AS contact_name, coalesce(w.phone, c.phone) AS contact_phone, v.number_id, v.state, v.owner, v.queue,
       v.human_at, v.window_until, v.created_at, v.listed_at

-- part: people
JOIN contact c ON c.tenant_id = v.tenant_id AND c.id = v.contact_id
LEFT JOIN contact w ON w.tenant_id = c.tenant_id AND w.id = c.merged_into

-- name: conversations
-- Whoever wrote last first: the best few of each number, state and owner that is asked for, from the index, and of these the best.
SELECT
-- include: inbox.talk
FROM (SELECT id FROM number WHERE tenant_id = :tenant_id AND (:number_id::uuid IS NULL OR id = :number_id)) AS n
CROSS JOIN unnest(:states::text[]) AS s (state) CROSS JOIN unnest(:owners::text[]) AS o (owner) CROSS JOIN LATERAL (
    SELECT * FROM conversation v WHERE v.tenant_id = :tenant_id AND v.number_id = n.id AND v.state = s.state AND v.owner = o.owner
      AND (v.listed_at, v.id) < (:before_at, :before_id)
    ORDER BY v.listed_at DESC, v.id DESC LIMIT :most
) AS v
-- include: inbox.people
ORDER BY v.listed_at DESC, v.id DESC LIMIT :most;

-- name: queue
-- Those that people have who sit in this queue: few, and the rest of the choice is made among them.
SELECT
-- include: inbox.talk
FROM conversation v
-- include: inbox.people
WHERE v.tenant_id = :tenant_id AND v.queue = :queue AND (:number_id::uuid IS NULL OR v.number_id = :number_id) AND v.state = ANY (:states::text[]) AND v.owner = ANY (:owners::text[])
  AND (v.listed_at, v.id) < (:before_at, :before_id)
ORDER BY v.listed_at DESC, v.id DESC LIMIT :most;

-- name: of_contact
-- Of one person, those of whom he was found to be included: one a number.
SELECT
-- include: inbox.talk
FROM (SELECT :contact_id::uuid AS id UNION ALL SELECT id FROM contact WHERE tenant_id = :tenant_id AND merged_into = :contact_id) AS p
JOIN conversation v ON v.tenant_id = :tenant_id AND v.contact_id = p.id
-- include: inbox.people
WHERE (:number_id::uuid IS NULL OR v.number_id = :number_id) AND v.state = ANY (:states::text[]) AND v.owner = ANY (:owners::text[])
  AND (:queue::text IS NULL OR v.queue = :queue)
  AND (v.listed_at, v.id) < (:before_at, :before_id)
ORDER BY v.listed_at DESC, v.id DESC LIMIT :most;

-- name: conversation
SELECT
-- include: inbox.talk
, v.entry_at, (SELECT f.free_until FROM free_entry f WHERE f.tenant_id = :tenant_id AND f.conversation_id = v.id) AS free_until
FROM conversation v
-- include: inbox.people
WHERE v.tenant_id = :tenant_id AND v.id = :id;

-- name: timeline_back
-- Two lines that are each in order, the events by arrival and the messages by when they were written: whoever asks puts them together.
(SELECT 'event' AS what, e.id, e.received_at AS at, e.arrival, e.position, e.kind, e.state, e.reason, NULL::int AS code, e.content, NULL::text AS category FROM event e
 WHERE e.tenant_id = :tenant_id AND e.conversation_id = :conversation_id AND (e.arrival, e.position) < (:arrival, :position)
 ORDER BY e.arrival DESC, e.position DESC LIMIT :most)
UNION ALL
(SELECT 'message', m.id, m.created_at, 0, m.ordinal, m.source, m.state, m.reason, m.code, m.content, m.category FROM message m
 WHERE m.tenant_id = :tenant_id AND m.conversation_id = :conversation_id AND (m.created_at, m.ordinal, m.id) < (:at, :ordinal, :id)
 ORDER BY m.created_at DESC, m.ordinal DESC, m.id DESC LIMIT :most);

-- name: timeline_on
(SELECT 'event' AS what, e.id, e.received_at AS at, e.arrival, e.position, e.kind, e.state, e.reason, NULL::int AS code, e.content, NULL::text AS category FROM event e
 WHERE e.tenant_id = :tenant_id AND e.conversation_id = :conversation_id AND (e.arrival, e.position) > (:arrival, :position)
 ORDER BY e.arrival, e.position LIMIT :most)
UNION ALL
(SELECT 'message', m.id, m.created_at, 0, m.ordinal, m.source, m.state, m.reason, m.code, m.content, m.category FROM message m
 WHERE m.tenant_id = :tenant_id AND m.conversation_id = :conversation_id AND (m.created_at, m.ordinal, m.id) > (:at, :ordinal, :id)
 ORDER BY m.created_at, m.ordinal, m.id LIMIT :most);
