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

-- name: unfinished
SELECT state, count(*)::int AS messages FROM message WHERE tenant_id = :tenant_id AND state IN ('queued', 'sending', 'in_doubt') GROUP BY state ORDER BY state;

-- name: states
-- What became of the messages with these wamids.
SELECT a.wamid, m.state FROM attempt a JOIN message m ON m.tenant_id = a.tenant_id AND m.id = a.message_id
WHERE a.tenant_id = :tenant_id AND a.wamid = ANY (:wamids::text[]);
