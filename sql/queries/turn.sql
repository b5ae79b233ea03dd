-- name: due
-- Without those that somebody else is busy with, dead or alive: if they killed him, they must not kill us too before they are found.
WITH named AS MATERIALIZED (SELECT unnest(ids) AS id FROM running WHERE boot <> :boot OR stage = 'alone')
SELECT tenant_id, contact_id FROM due_contacts(:at, :most::int + (SELECT count(*)::int FROM named))
WHERE contact_id NOT IN (SELECT id FROM named) LIMIT :most;

-- name: accused
-- Which of these suspects still wait, and how often each was run alone without coming to an end.
SELECT c.id, coalesce(
    (SELECT tries FROM event WHERE tenant_id = :tenant_id AND contact_id = c.id AND state = 'unhandled' ORDER BY arrival, position LIMIT 1),
    (SELECT max(s.tries) FROM conversation v JOIN flow_session s ON s.tenant_id = v.tenant_id AND s.conversation_id = v.id
     WHERE v.tenant_id = :tenant_id AND v.contact_id = c.id AND s.state IN ('active', 'waiting')),
    0::smallint) AS tries
FROM contact c WHERE c.tenant_id = :tenant_id AND c.id = ANY (:ids::uuid[]) AND c.due_at <= :now;

-- name: count_time_outs
-- For a contact that is due for a time-out and not for an event: counted on the flow session itself.
UPDATE flow_session SET tries = tries + 1 WHERE tenant_id = :tenant_id AND state IN ('active', 'waiting') AND due_at <= :now
AND conversation_id IN (SELECT id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = :contact_id)
RETURNING tries;

-- name: leave
-- Nothing waits to be answered: due when the next session is.
UPDATE contact SET due_at = (
    SELECT min(s.due_at) FROM conversation v JOIN flow_session s ON s.tenant_id = v.tenant_id AND s.conversation_id = v.id
    WHERE v.tenant_id = :tenant_id AND v.contact_id = :contact_id AND v.owner = 'bot' AND s.state IN ('active', 'waiting')
) WHERE tenant_id = :tenant_id AND id = :contact_id;

-- name: facts
-- All that a turn decides on, a row a conversation. After the lock, in a statement of its own: what committed while we waited is
-- seen. One statement, because going to the database and back costs more than these rows do.
SELECT v.id, v.contact_id, v.number_id, v.state, v.owner, v.queue, v.human_at, v.turn_no, v.seq, v.window_until, v.taken_at,
       c.name, coalesce(c.wa_id, c.phone) AS phone, c.user_id, c.language, c.tags, c.fields, n.display_number AS business_phone,
       t.name AS business_name, t.timezone, s.flow_version_id, s.memory,
       (SELECT count(*)::int FROM message m WHERE m.tenant_id = v.tenant_id AND m.conversation_id = v.id AND m.source = 'turn' AND m.created_at > :since) AS sent_lately,
       EXISTS (SELECT FROM message m WHERE m.tenant_id = v.tenant_id AND m.conversation_id = v.id AND m.state IN ('queued', 'sending', 'in_doubt'))
           OR EXISTS (SELECT FROM hold h WHERE h.tenant_id = v.tenant_id AND h.source = 'turn' AND h.source_id = v.id)
           OR EXISTS (SELECT FROM message f WHERE f.tenant_id = v.tenant_id AND f.conversation_id = v.id
                      AND f.created_at > v.window_until - interval '24 hours' AND f.state = 'failed' AND f.code = 131047) AS must_queue,
       (SELECT json_agg(e) FROM (
            SELECT id, key, arrival, position, content, received_at FROM event
            WHERE tenant_id = :tenant_id AND contact_id = v.contact_id AND conversation_id = v.id AND state = 'unhandled' ORDER BY arrival, position
        ) AS e) AS waiting,
       (SELECT json_agg(f) FROM (
            SELECT number_id, published_version_id AS version_id FROM flow
            WHERE tenant_id = :tenant_id AND published_version_id IS NOT NULL ORDER BY number_id IS NULL, created_at, id
        ) AS f) AS published
FROM contact c
JOIN conversation v ON v.tenant_id = c.tenant_id AND v.contact_id = c.id
JOIN number n ON n.tenant_id = c.tenant_id AND n.id = v.number_id
JOIN tenant t ON t.id = c.tenant_id
LEFT JOIN LATERAL (
    SELECT flow_version_id, memory FROM flow_session
    WHERE tenant_id = :tenant_id AND conversation_id = v.id AND state IN ('active', 'waiting') LIMIT 1
) AS s ON true
WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[]);

-- name: save
-- What turns leave of messages, conversations, flow sessions, steps, events and contacts. One statement: each part writes a table of its
-- own under the contact's lock, so their order is nobody's concern, and an event that waited still waits. A session that ended goes first:
-- only one may be live. Returns the attempts of messages that were claimed as they were queued.
WITH
-- include: ledger.queueing
, talked AS (
    UPDATE conversation c SET state = n.state, owner = n.owner, queue = n.queue, human_at = n.human_at, turn_no = n.turn_no, seq = n.seq
    FROM json_to_recordset(:conversations::json) AS n (id uuid, state text, owner text, queue text, human_at timestamptz, turn_no bigint, seq bigint)
    WHERE c.tenant_id = :tenant_id AND c.id = n.id
), sessions AS (
    INSERT INTO flow_session AS s (tenant_id, id, conversation_id, flow_version_id, state, node, due_at, memory, started_at, ended_at)
    SELECT :tenant_id, n.* FROM json_to_recordset(:sessions::json)
      AS n (id uuid, conversation_id uuid, flow_version_id uuid, state text, node text, due_at timestamptz, memory jsonb, started_at timestamptz, ended_at timestamptz)
    ORDER BY n.ended_at NULLS LAST, n.id
    ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, node = excluded.node, due_at = excluded.due_at, tries = 0, memory = excluded.memory, ended_at = excluded.ended_at
), steps AS (
    INSERT INTO step (tenant_id, id, flow_session_id, conversation_id, turn_no, step_no, node, trace, at)
    SELECT :tenant_id, n.*, :now::timestamptz FROM json_to_recordset(:steps::json)
      AS n (id uuid, flow_session_id uuid, conversation_id uuid, turn_no bigint, step_no int, node text, trace jsonb)
), closed AS (
    UPDATE event e SET state = CASE WHEN n.reason IS NULL THEN 'handled' ELSE 'ignored' END, turn_no = n.turn_no, reason = n.reason
    FROM json_to_recordset(:closings::json) AS n (id uuid, turn_no bigint, reason text)
    WHERE e.tenant_id = :tenant_id AND e.id = n.id
), looked AS (
    UPDATE contact c SET due_at = n.due_at, tags = CASE WHEN n.tags IS NULL THEN c.tags ELSE ARRAY(SELECT jsonb_array_elements_text(n.tags)) END
    FROM json_to_recordset(:contacts::json) AS n (id uuid, due_at timestamptz, tags jsonb)
    WHERE c.tenant_id = :tenant_id AND c.id = n.id
)
SELECT id FROM claimed;

-- name: fail_sessions
-- The way out for a conversation whose turns crash: its next message opens a flow anew.
UPDATE flow_session SET state = 'failed', due_at = NULL, ended_at = :now WHERE tenant_id = :tenant_id AND state IN ('active', 'waiting')
AND conversation_id IN (SELECT id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = :contact_id);

-- name: end_session
-- Somebody has closed the conversation, whose lock he holds: what the flow was at is over.
UPDATE flow_session SET state = 'ended', due_at = NULL, ended_at = :now WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND state IN ('active', 'waiting');
