-- name: family
-- Somebody, or whom he was merged into, with all who turned out to be that person.
WITH himself AS (SELECT coalesce(merged_into, id) AS id FROM contact WHERE tenant_id = :tenant_id AND id = :id)
SELECT id, portfolio_id, user_id, phone, wa_id, name, username, created_at, is_named FROM contact WHERE tenant_id = :tenant_id AND id IN (
    SELECT id FROM himself UNION ALL SELECT c.id FROM himself h JOIN contact c ON c.tenant_id = :tenant_id AND c.merged_into = h.id
) ORDER BY id;

-- name: conversation_ids
SELECT id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = ANY (:contact_ids::uuid[]) ORDER BY id;

-- name: consent_ids
SELECT id FROM consent WHERE tenant_id = :tenant_id AND contact_id = ANY (:contact_ids::uuid[]) ORDER BY arrival, position;

-- name: event_ids
-- Those of his conversations, and those outside of any.
SELECT id FROM (
    SELECT id, arrival, position FROM event WHERE tenant_id = :tenant_id AND conversation_id = ANY (:conversation_ids::uuid[])
    UNION ALL
    SELECT e.id, e.arrival, e.position FROM unnest(:contact_ids::uuid[]) AS c (id) CROSS JOIN LATERAL (
        SELECT id, arrival, position FROM event WHERE tenant_id = :tenant_id AND contact_id = c.id AND conversation_id IS NULL OFFSET 0) AS e
) AS e ORDER BY arrival, position;

-- name: message_ids
SELECT id FROM message WHERE tenant_id = :tenant_id AND conversation_id = ANY (:conversation_ids::uuid[]) ORDER BY created_at, ordinal;

-- name: session_ids
SELECT id FROM flow_session WHERE tenant_id = :tenant_id AND conversation_id = ANY (:conversation_ids::uuid[]) ORDER BY started_at;

-- name: step_ids
SELECT id FROM step WHERE tenant_id = :tenant_id AND conversation_id = ANY (:conversation_ids::uuid[]) ORDER BY turn_no, step_no;

-- ── a person's rows as they are, whole: a column that is added is in the archive ─────────────────────────────────────────────

-- name: show_contact
SELECT to_jsonb(t) AS row FROM contact t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.id;

-- name: show_conversation
SELECT to_jsonb(t) AS row FROM conversation t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.id;

-- name: show_consent
SELECT to_jsonb(t) AS row FROM consent t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.arrival, t.position;

-- name: show_event
SELECT to_jsonb(t) AS row FROM event t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.arrival, t.position;

-- name: show_message
-- With its attempts.
SELECT to_jsonb(t) || jsonb_build_object('attempts', coalesce((
    SELECT jsonb_agg(to_jsonb(a) ORDER BY a.n) FROM attempt a WHERE a.tenant_id = :tenant_id AND a.message_id = t.id), '[]')) AS row
FROM message t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.created_at, t.ordinal;

-- name: show_session
SELECT to_jsonb(t) AS row FROM flow_session t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.started_at;

-- name: show_step
SELECT to_jsonb(t) AS row FROM step t WHERE t.tenant_id = :tenant_id AND t.id = ANY (:ids::uuid[]) ORDER BY t.turn_no, t.step_no;

-- ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- name: mark
-- What arrived before this place is to be forgotten; what comes later is said by somebody who comes anew.
SELECT nextval('arrival') AS place;

-- name: undigested
SELECT EXISTS (SELECT FROM delivery WHERE state = 'stored' AND seq < :mark) AS there_are;

-- name: forget_contacts
-- Under their locks: from here on whoever had these names is nobody we know.
UPDATE contact SET portfolio_id = NULL, user_id = NULL, phone = NULL, wa_id = NULL, name = NULL, is_named = false, username = NULL, language = NULL,
    tags = '{}', fields = '{}', due_at = NULL, erased_at = :now
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: forget_terms
DELETE FROM contact_term WHERE tenant_id = :tenant_id AND contact_id = ANY (:ids::uuid[]);

-- name: withdraw
-- What waits to be sent to him, among what is unfinished of his; what may have gone at an earlier attempt is `unknown`.
-- (A CASE: `queued` would lead the planner through all that is.)
UPDATE message m SET (state, reason) = (
    SELECT CASE WHEN d.doubtful THEN 'unknown' ELSE 'withdrawn' END, CASE WHEN d.doubtful THEN NULL ELSE 'operator' END
    FROM (SELECT EXISTS (SELECT FROM attempt a WHERE a.tenant_id = :tenant_id AND a.message_id = m.id AND a.state IN ('accepted', 'unknown')) AS doubtful) AS d
) WHERE tenant_id = :tenant_id AND id = ANY (ARRAY(
    SELECT m.id FROM unnest(:conversation_ids::uuid[]) AS v (id) CROSS JOIN LATERAL (
        SELECT id FROM message WHERE tenant_id = :tenant_id AND conversation_id = v.id AND state IN ('queued', 'sending', 'in_doubt') OFFSET 0) AS m
)) AND CASE WHEN state = 'queued' THEN true ELSE false END;

-- name: unsettled
SELECT EXISTS (SELECT FROM unnest(:conversation_ids::uuid[]) AS v (id) CROSS JOIN LATERAL (
    SELECT FROM message WHERE tenant_id = :tenant_id AND conversation_id = v.id AND state IN ('queued', 'sending', 'in_doubt') LIMIT 1) AS m) AS there_are;

-- name: forget_events
-- The row stays for what is counted. What nobody has answered, or could answer, is answered no more.
UPDATE event SET content = '{}', key = 'erased:' || id, state = CASE WHEN state IN ('unhandled', 'dead') THEN 'ignored' ELSE state END,
    reason = CASE WHEN state IN ('unhandled', 'dead') THEN 'erased' ELSE reason END
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) AND key <> 'erased:' || id;

-- name: forget_messages
-- Of messages that are locked. None of them may be sent again, nor be a dead letter, whatever is heard of it yet: there is nothing left to send.
UPDATE message SET content = '{}', content_sha256 = '', detail = NULL, fallback = NULL, wamid = NULL, policy = 'at_most_once',
    discarded_at = coalesce(discarded_at, :now)
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) AND (content <> '{}' OR num_nonnulls(detail, fallback, wamid) > 0);

-- name: forget_attempts
-- Also those without a wamid: a late status would give them one.
WITH mine AS (SELECT a.id, a.number_id, a.wamid, a.detail FROM attempt a WHERE a.tenant_id = :tenant_id AND a.message_id = ANY (:message_ids::uuid[])),
orphans AS (
    DELETE FROM status_orphan o USING mine a WHERE o.tenant_id = :tenant_id AND o.number_id = a.number_id AND o.wamid = a.wamid
)
UPDATE attempt a SET wamid = 'erased:' || a.id, detail = NULL
FROM mine m WHERE a.tenant_id = :tenant_id AND a.id = m.id AND (m.wamid IS NULL OR m.wamid NOT LIKE 'erased:%' OR m.detail IS NOT NULL);

-- name: forget_records
SELECT steps, consents FROM erase_records(:conversation_ids::uuid[], :contact_ids::uuid[]);

-- name: forget_sessions
DELETE FROM flow_session WHERE tenant_id = :tenant_id AND conversation_id = ANY (:conversation_ids::uuid[]);

-- name: first_day
SELECT min(day) AS day FROM delivery;

-- name: holding
-- Among the next deliveries of a day, at most :most and about :most_bytes (at least one), those that hold one of these; and the last
-- that was looked at, none when there are no more.
SELECT max(seq) AS last, coalesce(array_agg(seq) FILTER (WHERE hit), '{}') AS seqs FROM (
    SELECT seq, EXISTS (SELECT FROM unnest(:needles::bytea[]) AS n WHERE position(n IN body) > 0) AS hit FROM (
        SELECT seq, body, sum(octet_length(body)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - octet_length(body) AS before
        FROM (SELECT seq, body FROM delivery WHERE day = :day AND seq > :after AND seq < :mark ORDER BY seq LIMIT :most) AS following
    ) AS measured WHERE before < :most_bytes
) AS looked;

-- name: forget_deliveries
SELECT erase_deliveries(:day::date, :seqs::bigint[]) AS erased;

-- name: orphans
-- A piece of them, in the order of the primary key.
SELECT number_id, wamid, participant FROM status_orphan
WHERE tenant_id = :tenant_id AND (number_id, wamid, status, participant) > (:after_number, :after_wamid, 'zzz', '') ORDER BY number_id, wamid, status, participant LIMIT :most;

-- name: forget_orphans
DELETE FROM status_orphan o USING unnest(:number_ids::uuid[], :wamids::text[]) AS w (number_id, wamid)
WHERE o.tenant_id = :tenant_id AND o.number_id = w.number_id AND o.wamid = w.wamid;

-- name: forget_new
DELETE FROM feed_new WHERE tenant_id = :tenant_id AND data ->> 'contact_id' = ANY (:contact_ids::text[]);

-- name: forget_told
-- A page of what was told, without what was of these.
WITH page AS (
    SELECT n, data ->> 'contact_id' AS contact_id FROM feed WHERE tenant_id = :tenant_id AND n > :after ORDER BY n LIMIT :most
), gone AS (
    DELETE FROM feed WHERE tenant_id = :tenant_id AND n = ANY (ARRAY(SELECT n FROM page WHERE contact_id = ANY (:contact_ids::text[]))) RETURNING n
)
SELECT (SELECT max(n) FROM page) AS last, coalesce((SELECT array_agg(n) FROM gone), '{}') AS ns;

-- name: forget_telling
DELETE FROM webhook_delivery WHERE tenant_id = :tenant_id AND n = ANY (:ns::bigint[]);

-- ── what is kept for a time ──────────────────────────────────────────────────────────────────────────────────────────────────
-- Of some rows in the order of their ids, which begin with their time: whether one has something to lose (`is_full`), and may lose it
-- (`is_due`). Neither what is unfinished, nor what the flow session is at that is live: it took a step in the turn of it.

-- name: old_messages
SELECT id, contact_id, is_full, CASE WHEN is_full AND state NOT IN ('queued', 'sending', 'in_doubt') THEN source <> 'turn' OR NOT EXISTS (
    SELECT FROM flow_session s JOIN step t ON t.tenant_id = s.tenant_id AND t.conversation_id = s.conversation_id AND t.flow_session_id = s.id
    WHERE s.tenant_id = :tenant_id AND s.conversation_id = m.conversation_id AND s.state IN ('active', 'waiting') AND t.turn_no = m.source_no
) ELSE false END AS is_due FROM (
    SELECT id, contact_id, conversation_id, source, source_no, state, content <> '{}' OR num_nonnulls(detail, fallback) > 0 AS is_full
    FROM message WHERE tenant_id = :tenant_id AND id > :after AND id < :before ORDER BY id LIMIT :most
) AS m ORDER BY id;

-- name: old_events
SELECT id, contact_id, is_full, CASE WHEN is_full AND state <> 'unhandled' THEN turn_no IS NULL OR NOT EXISTS (
    SELECT FROM flow_session s JOIN step t ON t.tenant_id = s.tenant_id AND t.conversation_id = s.conversation_id AND t.flow_session_id = s.id
    WHERE s.tenant_id = :tenant_id AND s.conversation_id = e.conversation_id AND s.state IN ('active', 'waiting') AND t.turn_no = e.turn_no
) ELSE false END AS is_due FROM (
    SELECT id, contact_id, conversation_id, state, turn_no, content <> '{}' AS is_full
    FROM event WHERE tenant_id = :tenant_id AND id > :after AND id < :before ORDER BY id LIMIT :most
) AS e ORDER BY id;

-- name: old_steps
SELECT t.id, v.contact_id, true AS is_full, s.ended_at IS NOT NULL AS is_due FROM (
    SELECT id, conversation_id, flow_session_id FROM step WHERE tenant_id = :tenant_id AND id > :after AND id < :before ORDER BY id LIMIT :most
) AS t
JOIN conversation v ON v.tenant_id = :tenant_id AND v.id = t.conversation_id
JOIN flow_session s ON s.tenant_id = :tenant_id AND s.id = t.flow_session_id ORDER BY t.id;

-- name: old_sessions
-- It is as old as its end.
SELECT s.id, v.contact_id, s.is_full, s.is_full AND coalesce(s.ended_at < :ended_before, false) AS is_due FROM (
    SELECT id, conversation_id, ended_at, memory <> '{}' AS is_full
    FROM flow_session WHERE tenant_id = :tenant_id AND id > :after AND id < :before ORDER BY id LIMIT :most
) AS s
JOIN conversation v ON v.tenant_id = :tenant_id AND v.id = s.conversation_id ORDER BY s.id;

-- name: empty_messages
-- Of messages that are locked. By the wamids that stay a report that comes late finds its message, with the price. What failed for good
-- is looked at no more: it could not be tried again.
UPDATE message SET content = '{}', content_sha256 = '', detail = NULL, fallback = NULL,
    discarded_at = CASE WHEN state IN ('failed', 'unknown') THEN coalesce(discarded_at, :now) ELSE discarded_at END
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: empty_attempts
UPDATE attempt SET detail = NULL WHERE tenant_id = :tenant_id AND message_id = ANY (:message_ids::uuid[]) AND detail IS NOT NULL;

-- name: empty_events
-- By its key an event that WhatsApp sends once more is known to be here already.
UPDATE event SET content = '{}', discarded_at = CASE WHEN state = 'dead' THEN coalesce(discarded_at, :now) ELSE discarded_at END
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: erase_steps
SELECT erase_steps(:ids::uuid[]) AS erased;

-- name: empty_sessions
-- The row stays: handovers are counted by it.
UPDATE flow_session SET memory = '{}' WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);
