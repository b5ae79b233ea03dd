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

-- part: came
'event' AS what, e.id, e.received_at AS at, e.conversation_id, e.number_id, e.arrival, e.position, e.kind, e.state, e.reason, NULL::int AS code,
       e.content, NULL::text AS category

-- part: went
'message' AS what, m.id, m.created_at AS at, m.conversation_id, m.number_id, 0 AS arrival, m.ordinal AS position, m.source AS kind, m.state, m.reason, m.code,
       m.content, m.category

-- name: timeline_back
-- Two lines that are each in order, the events by arrival and the messages by when they were written: whoever asks puts them together.
(SELECT
-- include: inbox.came
 FROM event e WHERE e.tenant_id = :tenant_id AND e.conversation_id = :of_id AND (e.arrival, e.position) < (:arrival, :position)
 ORDER BY e.arrival DESC, e.position DESC LIMIT :most)
UNION ALL
(SELECT
-- include: inbox.went
 FROM message m WHERE m.tenant_id = :tenant_id AND m.conversation_id = :of_id AND (m.created_at, m.ordinal, m.id) < (:at, :ordinal, :id)
 ORDER BY m.created_at DESC, m.ordinal DESC, m.id DESC LIMIT :most);

-- name: timeline_on
(SELECT
-- include: inbox.came
 FROM event e WHERE e.tenant_id = :tenant_id AND e.conversation_id = :of_id AND (e.arrival, e.position) > (:arrival, :position)
 ORDER BY e.arrival, e.position LIMIT :most)
UNION ALL
(SELECT
-- include: inbox.went
 FROM message m WHERE m.tenant_id = :tenant_id AND m.conversation_id = :of_id AND (m.created_at, m.ordinal, m.id) > (:at, :ordinal, :id)
 ORDER BY m.created_at, m.ordinal, m.id LIMIT :most);

-- name: timeline_of_contact
-- Of all conversations of a person, those of contacts that were merged into this one too: as many of each as a page may want, by its index.
WITH talk AS (
    SELECT v.id FROM (SELECT :of_id::uuid AS id UNION ALL SELECT id FROM contact WHERE tenant_id = :tenant_id AND merged_into = :of_id) AS w
    JOIN conversation v ON v.tenant_id = :tenant_id AND v.contact_id = w.id
)
(SELECT e.* FROM talk CROSS JOIN LATERAL (
    SELECT
-- include: inbox.came
    FROM event e WHERE e.tenant_id = :tenant_id AND e.conversation_id = talk.id AND (e.arrival, e.position) < (:arrival, :position)
    ORDER BY e.arrival DESC, e.position DESC LIMIT :most
 ) AS e ORDER BY e.arrival DESC, e.position DESC LIMIT :most)
UNION ALL
(SELECT m.* FROM talk CROSS JOIN LATERAL (
    SELECT
-- include: inbox.went
    FROM message m WHERE m.tenant_id = :tenant_id AND m.conversation_id = talk.id AND (m.created_at, m.ordinal, m.id) < (:at, :ordinal, :id)
    ORDER BY m.created_at DESC, m.ordinal DESC, m.id DESC LIMIT :most
 ) AS m ORDER BY m.at DESC, m.position DESC, m.id DESC LIMIT :most);

-- name: recipients
-- Whom these name. Whoever was found to be somebody we knew is that one now; a conversation stays where it is; who was forgotten is nobody.
-- Asked before the contacts are locked, for whose they are, and after, for what they are.
SELECT 'conversation' AS what, v.id::text AS key, v.contact_id, v.number_id, v.id AS conversation_id, coalesce(c.merged_into, c.id) AS person_id
FROM conversation v JOIN contact c ON c.tenant_id = v.tenant_id AND c.id = v.contact_id WHERE v.tenant_id = :tenant_id AND v.id = ANY (:conversation_ids::uuid[]) AND c.erased_at IS NULL
UNION ALL
SELECT 'contact', c.id::text, coalesce(c.merged_into, c.id), NULL, NULL, coalesce(c.merged_into, c.id)
FROM contact c WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[]) AND c.erased_at IS NULL
UNION ALL
SELECT 'phone', c.phone, c.id, NULL, NULL, c.id FROM contact c WHERE c.tenant_id = :tenant_id AND c.phone = ANY (:phones::text[]);

-- name: windows
-- Until when anything may be written in these; `closed` when Meta has said (131047) that it is not so, after the customer's last message.
SELECT v.id, v.window_until, EXISTS (
    SELECT FROM message f WHERE f.tenant_id = v.tenant_id AND f.conversation_id = v.id
    AND f.created_at > v.window_until - interval '24 hours' AND f.state = 'failed' AND f.code = 131047) AS closed
FROM conversation v WHERE v.tenant_id = :tenant_id AND v.id = ANY (:ids::uuid[]);

-- name: sent_under
-- What there is under a key, of messages of the API and of people.
SELECT m.id, m.ordinal, m.conversation_id, m.contact_id FROM message m
WHERE m.tenant_id = :tenant_id AND m.source = :source AND m.source_id = :source_id AND m.source_no = 0 AND m.ordinal >= 0 ORDER BY m.ordinal;

-- part: message
m.id, m.conversation_id, m.contact_id, m.number_id, m.source, m.source_id, m.source_no, m.ordinal, m.category, m.content, m.state, m.reason, m.code, m.detail, m.held, m.attempt_no,
       m.not_before, m.created_at, m.accepted_at, m.sent_at, m.delivered_at, m.read_at, m.played_at, m.failed_at, m.discarded_at, m.pricing

-- name: messages
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]) ORDER BY m.id;

-- name: newest_messages
-- Ids begin with their time.
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.id < :before_id AND m.id >= :since_id ORDER BY m.id DESC LIMIT :most;

-- name: messages_in_state
-- (The states of the index are written out: else the planner could not know that it has them all.)
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.state = :state AND m.state IN ('unknown', 'withdrawn', 'failed')
AND m.id < :before_id AND m.id >= :since_id ORDER BY m.id DESC LIMIT :most;

-- name: messages_on_their_way
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.state = :state AND m.state IN ('sending', 'in_doubt')
AND m.id < :before_id AND m.id >= :since_id ORDER BY m.id DESC LIMIT :most;

-- name: messages_of_conversation
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.conversation_id = :conversation_id AND (m.created_at, m.id) < (:before_at, :before_id) AND m.created_at >= :since
ORDER BY m.created_at DESC, m.id DESC LIMIT :most;

-- name: messages_of_campaign
-- By recipient: the order of the key.
SELECT
-- include: inbox.message
FROM message m WHERE m.tenant_id = :tenant_id AND m.source = 'campaign' AND m.source_id = :campaign_id AND (m.source_no, m.ordinal) > (:after_no, :after_ordinal)
ORDER BY m.source_no, m.ordinal LIMIT :most;

-- name: attempts
SELECT id, n, state, code, detail, wamid, claimed_at, first_byte_at, ended_at FROM attempt WHERE tenant_id = :tenant_id AND message_id = :message_id ORDER BY n;

-- name: pair
-- The template that went in a message's place, or the message in whose place one went.
SELECT o.id FROM message m JOIN message o ON o.tenant_id = m.tenant_id AND o.source = m.source AND o.source_id = m.source_id AND o.source_no = m.source_no AND o.ordinal = -1 - m.ordinal
WHERE m.tenant_id = :tenant_id AND m.id = :id;

-- name: lock_queued
-- What somebody takes back, locked; `doubtful` when an earlier attempt may have gone out.
SELECT m.id, m.number_id, m.state, EXISTS (SELECT FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.state IN ('accepted', 'unknown')) AS doubtful
FROM message m WHERE m.tenant_id = :tenant_id AND m.id = :id FOR NO KEY UPDATE OF m;

-- name: event
SELECT id, kind, number_id, contact_id, conversation_id, key, content, sent_at, received_at, state, reason, turn_no, tries, discarded_at FROM event
WHERE tenant_id = :tenant_id AND id = :id;

-- name: replies
-- By the messages' own key.
SELECT id FROM message WHERE tenant_id = :tenant_id AND source = 'turn' AND source_id = :conversation_id AND source_no = :turn_no ORDER BY ordinal;
