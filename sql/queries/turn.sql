-- name: due
SELECT tenant_id, contact_id FROM due_contacts(:at, :most::int);

-- name: facts
-- After the lock, in a statement of its own: what committed while we waited is seen.
SELECT v.id, v.contact_id, v.number_id, v.state, v.owner, v.queue, v.human_at, v.turn_no, v.seq, v.window_until,
       c.name, coalesce(c.wa_id, c.phone) AS phone, c.language, c.tags, c.fields, n.display_number AS business_phone,
       s.id AS session_id, s.flow_version_id, s.memory, s.due_at AS session_due_at,
       (SELECT count(*)::int FROM message m WHERE m.tenant_id = v.tenant_id AND m.conversation_id = v.id AND m.source = 'turn' AND m.created_at > :since) AS sent_lately
FROM contact c
JOIN conversation v ON v.tenant_id = c.tenant_id AND v.contact_id = c.id
JOIN number n ON n.tenant_id = c.tenant_id AND n.id = v.number_id
LEFT JOIN LATERAL (
    SELECT id, flow_version_id, memory, due_at FROM flow_session
    WHERE tenant_id = :tenant_id AND conversation_id = v.id AND state IN ('active', 'waiting') LIMIT 1
) AS s ON true
WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[]);

-- name: save_sessions
INSERT INTO flow_session AS s (tenant_id, id, conversation_id, flow_version_id, state, node, due_at, memory, started_at, ended_at)
SELECT :tenant_id, n.* FROM json_to_recordset(:records::json)
  AS n (id uuid, conversation_id uuid, flow_version_id uuid, state text, node text, due_at timestamptz, memory jsonb, started_at timestamptz, ended_at timestamptz)
ORDER BY n.ended_at NULLS LAST, n.id
ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, node = excluded.node, due_at = excluded.due_at, memory = excluded.memory, ended_at = excluded.ended_at;

-- name: append_steps
INSERT INTO step (tenant_id, id, flow_session_id, conversation_id, turn_no, step_no, node, trace, at)
SELECT :tenant_id, n.*, :at::timestamptz FROM json_to_recordset(:records::json)
  AS n (id uuid, flow_session_id uuid, conversation_id uuid, turn_no bigint, step_no int, node text, trace jsonb);

-- name: fail_sessions
-- The way out for a conversation whose turns crash: its next message opens a flow anew.
UPDATE flow_session SET state = 'failed', due_at = NULL, ended_at = :now WHERE tenant_id = :tenant_id AND state IN ('active', 'waiting')
AND conversation_id IN (SELECT id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = :contact_id);
