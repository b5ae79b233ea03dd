-- name: events
SELECT id, key, kind, state, reason, turn_no, tries, arrival, position, sent_at, received_at, conversation_id FROM event
WHERE tenant_id = :tenant_id AND (id = :id OR key = :key OR (conversation_id = :conversation_id AND turn_no = :turn_no)) ORDER BY arrival, position;

-- name: messages
-- `other_id`: the template that went in this one's place, or the message in whose place this one went.
SELECT m.id, m.source, m.source_no, m.ordinal, m.category, m.policy, m.seq, m.state, m.reason, m.code, m.detail, m.held, m.attempt_no, m.not_before, m.created_at,
       m.accepted_at, m.sent_at, m.delivered_at, m.read_at, m.played_at, m.failed_at, m.conversation_id, o.id AS other_id
FROM message m LEFT JOIN message o ON o.tenant_id = m.tenant_id AND o.source = m.source AND o.source_id = m.source_id AND o.source_no = m.source_no AND o.ordinal = -1 - m.ordinal
WHERE m.tenant_id = :tenant_id AND (m.id = :id OR (m.conversation_id = :conversation_id AND m.source = 'turn' AND m.source_no = :turn_no)
                                    OR m.id = (SELECT message_id FROM attempt WHERE tenant_id = :tenant_id AND (id = :id OR wamid = :key) LIMIT 1))
ORDER BY m.created_at, m.ordinal;

-- name: turn_events
SELECT id, key, kind, state, reason, turn_no, tries, arrival, position, sent_at, received_at, conversation_id FROM event
WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn_no = :turn_no ORDER BY arrival, position;

-- name: message
SELECT m.id, m.source, m.source_no, m.ordinal, m.category, m.policy, m.seq, m.state, m.reason, m.code, m.detail, m.held, m.attempt_no, m.not_before, m.created_at,
       m.accepted_at, m.sent_at, m.delivered_at, m.read_at, m.played_at, m.failed_at, m.conversation_id, o.id AS other_id
FROM message m LEFT JOIN message o ON o.tenant_id = m.tenant_id AND o.source = m.source AND o.source_id = m.source_id AND o.source_no = m.source_no AND o.ordinal = -1 - m.ordinal
WHERE m.tenant_id = :tenant_id AND m.id = :id;

-- name: attempts
SELECT message_id, id, n, state, code, detail, wamid, claimed_at, first_byte_at, ended_at FROM attempt
WHERE tenant_id = :tenant_id AND message_id = ANY (:message_ids::uuid[]) ORDER BY message_id, n;

-- name: steps
SELECT step_no, node, trace FROM step WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn_no = :turn_no ORDER BY id, step_no;

-- name: conversation
SELECT id, state, owner, queue, human_at, window_until, turn_no, contact_id, number_id, entry_at, (
    SELECT f.free_until FROM free_entry f WHERE f.tenant_id = :tenant_id AND f.conversation_id = v.id) AS free_until
FROM conversation v WHERE tenant_id = :tenant_id AND id = :id;

-- name: spend
-- What WhatsApp counted from :since to :until, by the day in the tenant's time zone on which a message was delivered, as far as it told.
-- Ids begin with their time: :first_id is of 31 days before, because a status comes up to 30 days late, and :last_id of the end.
SELECT (at AT TIME ZONE :timezone::text)::date AS day, category, type, source, CASE WHEN source = 'campaign' THEN source_id END AS campaign_id,
       count(*)::int AS messages, count(*) FILTER (WHERE billable)::int AS billable
FROM spend WHERE tenant_id = :tenant_id AND message_id >= :first_id AND message_id < :last_id AND at >= :since AND at < :until
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5;

-- name: waits
-- What keeps these queued messages from going now. (By id alone: their state would lead the planner through all that is queued.)
SELECT m.id, g.held_at, b.suspended_for, n.paused_for, n.stopped_until, n.stopped_code, n.marketing_until, n.marketing_code, t.until AS template_until, t.code AS template_code, h.reason AS hold,
       EXISTS (SELECT FROM (SELECT jsonb_path_query(m.content, '$.file') UNION ALL SELECT jsonb_path_query(m.content, '$.header.file')
                            UNION ALL SELECT jsonb_path_query(m.content, '$.slides[*].header.file')) AS f (id)
               WHERE NOT EXISTS (SELECT FROM media_upload u WHERE u.tenant_id = m.tenant_id AND u.number_id = m.number_id
                                 AND u.media_id::text = f.id #>> '{}' AND u.expires_at > :now)) AS unuploaded,
       m.seq IS NOT NULL AND EXISTS (SELECT FROM message p WHERE p.tenant_id = m.tenant_id AND p.conversation_id = m.conversation_id AND p.seq < m.seq
           AND (p.state IN ('queued', 'sending') OR (p.state = 'in_doubt' AND p.doubt_at > :now::timestamptz - interval '10 seconds'))) AS behind
FROM message m JOIN number n ON n.tenant_id = m.tenant_id AND n.id = m.number_id JOIN tenant b ON b.id = m.tenant_id CROSS JOIN guard g
LEFT JOIN hold h ON h.tenant_id = m.tenant_id AND h.source = m.source AND h.source_id = m.source_id
LEFT JOIN template_stop t ON t.tenant_id = m.tenant_id AND t.waba_id = n.waba_id AND m.content->>'type' = 'template'
    AND t.name = m.content->>'name' AND t.language = m.content->>'language' AND t.lifted_at IS NULL
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]);

-- name: unfinished
SELECT state, count(*)::int AS messages FROM message WHERE tenant_id = :tenant_id AND state IN ('queued', 'sending', 'in_doubt') GROUP BY state ORDER BY state;

-- name: states
-- What became of the messages with these wamids.
SELECT a.wamid, m.state FROM attempt a JOIN message m ON m.tenant_id = a.tenant_id AND m.id = a.message_id
WHERE a.tenant_id = :tenant_id AND a.wamid = ANY (:wamids::text[]);

-- part: place
CASE WHEN :by_day::bool THEN (greatest(r.at, :since) AT TIME ZONE :timezone::text)::date END AS day, CASE WHEN NOT :by_day::bool THEN r.number_id END AS number_id

-- name: count_messages
-- Ids begin with their time. No more than :most rows are read: whoever asks sees that there are too many.
SELECT
-- include: reporting.place
, r.source, r.state, r.category, r.billable, count(*)::int AS n FROM (
    SELECT created_at AS at, number_id, source, state, pricing->>'category' AS category, coalesce(pricing->>'billable' = 'true', false) AS billable
    FROM message WHERE tenant_id = :tenant_id AND id >= :first_id AND id < :last_id LIMIT :most
) AS r GROUP BY 1, 2, 3, 4, 5, 6;

-- name: count_events
SELECT
-- include: reporting.place
, count(*)::int AS n FROM (
    SELECT received_at AS at, number_id FROM event WHERE tenant_id = :tenant_id AND id >= :first_id AND id < :last_id AND conversation_id IS NOT NULL AND kind <> 'history' LIMIT :most
) AS r GROUP BY 1, 2;

-- name: count_opened
SELECT
-- include: reporting.place
, count(*)::int AS n FROM (
    SELECT created_at AS at, number_id FROM conversation WHERE tenant_id = :tenant_id AND id >= :first_id AND id < :last_id
) AS r GROUP BY 1, 2;

-- name: count_handoffs
SELECT
-- include: reporting.place
, count(*)::int AS n FROM (
    SELECT s.started_at AS at, v.number_id FROM flow_session s JOIN conversation v ON v.tenant_id = s.tenant_id AND v.id = s.conversation_id
    WHERE s.tenant_id = :tenant_id AND s.id >= :first_id AND s.id < :last_id AND s.state = 'handed_off'
) AS r GROUP BY 1, 2;

-- name: notices
-- What keeps a business from working as it should, read from where it is true: when it is over, no row says it.
SELECT kind, subject_id, about, code, since, until, detail FROM (
    SELECT 'sending_held' AS kind, NULL::uuid AS subject_id, NULL::text AS about, NULL::int AS code, held_at AS since, NULL::timestamptz AS until, NULL::text AS detail
    FROM guard WHERE held_at IS NOT NULL
    UNION ALL SELECT 'tenant_suspended', NULL, NULL, NULL, suspended_at, NULL, suspended_for FROM tenant WHERE id = :tenant_id AND suspended_at IS NOT NULL
    UNION ALL SELECT 'no_number', NULL, NULL, NULL, NULL, NULL, NULL WHERE NOT EXISTS (SELECT FROM number WHERE tenant_id = :tenant_id)
    UNION ALL SELECT 'no_flow', n.id, n.display_number, NULL, NULL, NULL, NULL FROM number n WHERE n.tenant_id = :tenant_id AND NOT EXISTS (
        SELECT FROM flow f WHERE f.tenant_id = :tenant_id AND f.published_version_id IS NOT NULL AND (f.number_id IS NULL OR f.number_id = n.id))
    UNION ALL SELECT 'number_stopped', id, display_number, stopped_code, NULL, stopped_until, NULL FROM number
    WHERE tenant_id = :tenant_id AND stopped_code IS NOT NULL
    UNION ALL SELECT 'number_paused', id, display_number, NULL, paused_at, NULL, paused_for FROM number WHERE tenant_id = :tenant_id AND paused_at IS NOT NULL
    UNION ALL SELECT 'number_quality', id, display_number, NULL, checked_at, NULL, quality FROM number WHERE tenant_id = :tenant_id AND quality IN ('RED', 'YELLOW')
    UNION ALL SELECT 'marketing_stopped', id, display_number, marketing_code, NULL, marketing_until, NULL FROM number
    WHERE tenant_id = :tenant_id AND marketing_code IS NOT NULL
    UNION ALL SELECT 'template_stopped', NULL, name || ' (' || language || ')', code, NULL, until, NULL FROM template_stop
    WHERE tenant_id = :tenant_id AND lifted_at IS NULL
    UNION ALL SELECT 'webhook_disabled', id, url, NULL, disabled_at, NULL, disabled_why FROM webhook
    WHERE tenant_id = :tenant_id AND disabled_why IN ('gone', 'failing')
    UNION ALL (SELECT 'job_failed', id, kind, NULL, ended_at, NULL, error FROM job WHERE tenant_id = :tenant_id AND state = 'failed' ORDER BY id DESC LIMIT 20)
    UNION ALL SELECT 'dead_letters', NULL, NULL, NULL, NULL, NULL, letters::text FROM (
        SELECT count(*) AS letters FROM (SELECT FROM dead_letter WHERE tenant_id = :tenant_id LIMIT 1000) AS l) AS d WHERE letters > 0
) AS n ORDER BY kind, about, subject_id;
