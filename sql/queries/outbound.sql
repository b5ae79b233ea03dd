-- name: due
SELECT tenant_id, number_id FROM due_messages(:at);

-- name: claimable
-- Service before marketing, oldest first; without :marketing none of it. Only the lowest unfinished place of a conversation may go; what is in doubt for
-- longer than :doubt_before lets its successor pass. Facts come with the lock: SKIP LOCKED never waits, so nothing is stale.
-- (A CASE: row security lets no coalesce into an index.) Nothing while sending is held, nor where the guard's mark is below one we have seen, nor while the
-- number is paused or its business suspended (asked once, before anything is looked for).
SELECT m.id, m.conversation_id, m.contact_id, m.source, m.category, m.content, m.created_at, m.attempt_no, m.not_before,
       coalesce(c.wa_id, c.phone, w.wa_id, w.phone) AS phone, coalesce(c.user_id, w.user_id) AS user_id, v.taken_at, v.window_until,
       m.attempt_no > 0 AND EXISTS (SELECT FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.state = 'unknown') AS doubtful,
       m.category = 'marketing' AND coalesce((
           SELECT s.state = 'out' FROM consent s WHERE s.tenant_id = m.tenant_id AND s.contact_id = CASE WHEN w.id IS NULL THEN c.id ELSE w.id END AND s.purpose = 'marketing'
           ORDER BY s.arrival DESC, s.position DESC LIMIT 1), false) AS opted_out,
       m.replayed_at AS queued_at,
       m.category = 'service' AND EXISTS (
           SELECT FROM message f WHERE f.tenant_id = m.tenant_id AND f.conversation_id = m.conversation_id
           AND f.created_at > v.window_until - interval '24 hours' AND f.state = 'failed' AND f.code = 131047) AS closed
FROM message m
JOIN contact c ON c.tenant_id = m.tenant_id AND c.id = m.contact_id
LEFT JOIN contact w ON w.tenant_id = c.tenant_id AND w.id = c.merged_into
JOIN conversation v ON v.tenant_id = m.tenant_id AND v.id = m.conversation_id
WHERE m.tenant_id = :tenant_id AND m.number_id = :number_id AND m.state = 'queued' AND c.erased_at IS NULL AND (m.category = 'marketing') <= :marketing::bool AND m.not_before <= :now
  AND (SELECT g.held_at IS NULL AND g.mark >= :seen FROM guard g WHERE g.one)
  AND (SELECT n.paused_at IS NULL AND t.suspended_at IS NULL FROM number n JOIN tenant t ON t.id = n.tenant_id WHERE n.tenant_id = :tenant_id AND n.id = :number_id)
  AND NOT EXISTS (SELECT FROM hold h WHERE h.tenant_id = m.tenant_id AND h.source = m.source AND h.source_id = m.source_id)
  AND (m.seq IS NULL OR NOT EXISTS (
        SELECT FROM message p WHERE p.tenant_id = m.tenant_id AND p.conversation_id = m.conversation_id AND p.seq < m.seq
        AND (p.state IN ('queued', 'sending') OR (p.state = 'in_doubt' AND p.doubt_at > :doubt_before))))
ORDER BY (m.category = 'marketing'), m.not_before, m.id LIMIT :most
FOR NO KEY UPDATE OF m SKIP LOCKED;

-- name: recent
-- Rebuilds the pace after a change of hands: what went out in the last minute, to whom, and what was refused for going too fast.
SELECT contact_id, claimed_at, state = 'refused' AND code = ANY (:slow_codes::int[]) AS slowed FROM attempt WHERE tenant_id = :tenant_id AND number_id = :number_id AND claimed_at > :since
AND state NOT IN ('abandoned', 'not_sent') ORDER BY claimed_at;

-- name: template_stops
SELECT name, language, code, refusals, until, lifted_at FROM template_stop WHERE tenant_id = :tenant_id AND waba_id = :waba_id;

-- name: write_template_stops
INSERT INTO template_stop (tenant_id, waba_id, name, language, code, refusals, until, lifted_at)
SELECT :tenant_id, :waba_id, n.* FROM json_to_recordset(:stops::json) AS n (name text, language text, code int, refusals int, until timestamptz, lifted_at timestamptz)
ORDER BY n.name, n.language
ON CONFLICT (tenant_id, waba_id, name, language)
DO UPDATE SET code = excluded.code, refusals = excluded.refusals, until = excluded.until, lifted_at = excluded.lifted_at;

-- name: stop_templates_of
-- By statuses of these messages: what is stopped already stays as it is, and what went on not long ago waits twice as long as before.
INSERT INTO template_stop AS t (tenant_id, waba_id, name, language, code, refusals, until)
SELECT DISTINCT ON (n.waba_id, m.content->>'name', m.content->>'language') :tenant_id, n.waba_id, m.content->>'name', m.content->>'language',
       (:codes::int[])[array_position(:ids::uuid[], m.id)], 1, :now::timestamptz + make_interval(secs => :first_s)
FROM message m JOIN number n ON n.tenant_id = m.tenant_id AND n.id = m.number_id
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]) AND m.content->>'type' = 'template' ORDER BY n.waba_id, m.content->>'name', m.content->>'language'
ON CONFLICT (tenant_id, waba_id, name, language) DO UPDATE SET code = excluded.code, lifted_at = NULL,
    refusals = CASE WHEN t.lifted_at > :soon THEN t.refusals + 1 ELSE 1 END,
    until = :now + make_interval(secs => least(:most_s, :first_s * 2 ^ CASE WHEN t.lifted_at > :soon THEN least(t.refusals, 10) ELSE 0 END))
WHERE t.lifted_at IS NOT NULL
RETURNING name AS template, language, code, refusals;

-- name: place_hold
INSERT INTO hold (tenant_id, source, source_id, reason, placed_at) VALUES (:tenant_id, :source, :source_id, :reason, :now) ON CONFLICT DO NOTHING;

-- name: lift_hold
DELETE FROM hold WHERE tenant_id = :tenant_id AND source = :source AND source_id = :source_id;

-- name: undigested
SELECT count(*)::int AS waiting FROM delivery WHERE state = 'stored' AND seq <= :arrival;

-- name: unanswered
-- What a turn still has to look at that was there, or due, before the hold began.
SELECT ((SELECT count(*) FROM event WHERE tenant_id = :tenant_id AND state = 'unhandled' AND arrival <= :arrival)
      + (SELECT count(*) FROM contact WHERE tenant_id = :tenant_id AND due_at <= :held_at))::int AS waiting;

-- name: restored
-- What may have gone out in the part that is lost: what was unfinished when the hold began, and answers to nothing but what had come
-- before it. A turn's reply is new when its conversation has heard something since, by the order of arrival, which no clock can
-- move; of all others the time of writing decides.
SELECT m.policy, m.state, count(*)::int AS messages FROM message m
WHERE m.tenant_id = :tenant_id AND m.state IN ('queued', 'sending', 'in_doubt')
  AND CASE WHEN m.source = 'turn' THEN NOT EXISTS (
             SELECT FROM event e WHERE e.tenant_id = m.tenant_id AND e.conversation_id = m.conversation_id AND e.arrival > :arrival AND e.turn_no <= m.source_no)
           ELSE m.created_at <= :held_at END
GROUP BY m.policy, m.state ORDER BY m.policy, m.state;
