-- name: events
SELECT id, key, kind, state, reason, turn_no, tries, arrival, position, sent_at, received_at, conversation_id FROM event
WHERE tenant_id = :tenant_id AND (id = :id OR key = :key OR (conversation_id = :conversation_id AND turn_no = :turn_no)) ORDER BY arrival, position;

-- name: messages
SELECT id, source, source_no, ordinal, category, policy, seq, state, reason, code, detail, held, attempt_no, not_before, created_at, accepted_at, sent_at,
       delivered_at, read_at, played_at, failed_at, conversation_id
FROM message WHERE tenant_id = :tenant_id AND (id = :id OR (conversation_id = :conversation_id AND source = 'turn' AND source_no = :turn_no)
                                               OR id = (SELECT message_id FROM attempt WHERE tenant_id = :tenant_id AND (id = :id OR wamid = :key) LIMIT 1))
ORDER BY created_at, ordinal;

-- name: attempts
SELECT message_id, id, n, state, code, detail, wamid, claimed_at, first_byte_at, ended_at FROM attempt
WHERE tenant_id = :tenant_id AND message_id = ANY (:message_ids::uuid[]) ORDER BY message_id, n;

-- name: steps
SELECT step_no, node, trace FROM step WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn_no = :turn_no ORDER BY id, step_no;

-- name: conversation
SELECT id, state, owner, queue, human_at, window_until, turn_no, contact_id, number_id FROM conversation WHERE tenant_id = :tenant_id AND id = :id;

-- name: waits
-- What keeps these queued messages from going now. (By id alone: their state would lead the planner through all that is queued.)
SELECT m.id, g.held_at, n.stopped_until, n.stopped_code, n.marketing_until, n.marketing_code, h.reason AS hold,
       m.seq IS NOT NULL AND EXISTS (SELECT FROM message p WHERE p.tenant_id = m.tenant_id AND p.conversation_id = m.conversation_id AND p.seq < m.seq
           AND (p.state IN ('queued', 'sending') OR (p.state = 'in_doubt' AND p.doubt_at > :now::timestamptz - interval '10 seconds'))) AS behind
FROM message m JOIN number n ON n.tenant_id = m.tenant_id AND n.id = m.number_id CROSS JOIN guard g
LEFT JOIN hold h ON h.tenant_id = m.tenant_id AND h.source = m.source AND h.source_id = m.source_id
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]);

-- name: unfinished
SELECT state, count(*)::int AS messages FROM message WHERE tenant_id = :tenant_id AND state IN ('queued', 'sending', 'in_doubt') GROUP BY state ORDER BY state;

-- name: states
-- What became of the messages with these wamids.
SELECT a.wamid, m.state FROM attempt a JOIN message m ON m.tenant_id = a.tenant_id AND m.id = a.message_id
WHERE a.tenant_id = :tenant_id AND a.wamid = ANY (:wamids::text[]);
