-- name: record_events
-- Insert once; a key seen before returns no row, and that is how we know. Sorted by the unique key: unsorted batches deadlock.
-- A message that wants an answer opens its conversation and 24 hours to answer in, and asks for a turn, all in this statement; an
-- older message does not shorten the window, and a turn that was wanted earlier stays wanted earlier.
WITH new AS (
    INSERT INTO event (tenant_id, id, number_id, contact_id, conversation_id, key, kind, arrival, position, content, sent_at, received_at, state, reason)
    SELECT :tenant_id, e.id, e.number_id, e.contact_id, e.conversation_id, e.key, e.kind, e.arrival, e.position, e.content, e.sent_at, e.received_at,
           CASE WHEN e.reason IS NULL THEN 'unhandled' ELSE 'ignored' END, e.reason
    FROM json_to_recordset(:records::json) AS e (id uuid, number_id uuid, contact_id uuid, conversation_id uuid, key text, kind text, arrival bigint, position int,
                                              content jsonb, sent_at timestamptz, received_at timestamptz, reason text)
    ORDER BY e.number_id, e.key ON CONFLICT (tenant_id, number_id, key) DO NOTHING
    RETURNING id, state, conversation_id, contact_id, least(sent_at, received_at) + interval '24 hours' AS until,
              CASE WHEN content ? 'referral' THEN least(sent_at, received_at) END AS entry_at
), heard AS (
    SELECT conversation_id, contact_id, max(until) AS until, max(entry_at) AS entry_at FROM new WHERE state = 'unhandled' GROUP BY conversation_id, contact_id
), opened AS (
    UPDATE conversation c SET state = 'open', window_until = greatest(c.window_until, h.until), entry_at = greatest(c.entry_at, h.entry_at)
    FROM heard h WHERE c.tenant_id = :tenant_id AND c.id = h.conversation_id
), due AS (
    UPDATE contact c SET due_at = least(c.due_at, :now) FROM (SELECT DISTINCT contact_id FROM heard) AS h
    WHERE c.tenant_id = :tenant_id AND c.id = h.contact_id
)
SELECT id FROM new;

-- name: known
-- Which of these have been recorded before: as an event, or as the echo of what a person sent.
SELECT k.number_id, k.key FROM unnest(:number_ids::uuid[], :keys::text[]) AS k (number_id, key)
WHERE EXISTS (SELECT FROM event e WHERE e.tenant_id = :tenant_id AND e.number_id = k.number_id AND e.key = k.key)
   OR EXISTS (SELECT FROM message m WHERE m.tenant_id = :tenant_id AND m.number_id = k.number_id AND m.wamid = k.key);

-- name: count_try
-- Of a contact that is run alone: its oldest event. `add` is 0 where this try was counted before it began.
UPDATE event SET tries = least(tries + :add, :most_tries), state = CASE WHEN tries + :add >= :most THEN 'dead' ELSE state END,
    reason = CASE WHEN tries + :add >= :most THEN :reason END
WHERE tenant_id = :tenant_id AND id = (SELECT id FROM event WHERE tenant_id = :tenant_id AND contact_id = :contact_id AND state = 'unhandled'
                                       ORDER BY arrival, position LIMIT 1)
RETURNING id, state;

-- part: queueing
-- The key is (source, its id, its number, ordinal): putting the same twice adds nothing. A message that its sender has taken already
-- comes with an attempt: it is claimed as it is queued, unless the guard says no, or the number or its business must not send. `claimed` are
-- the attempts that exist now.
put AS (
    SELECT r.*, CASE WHEN r.attempt_id IS NOT NULL AND (SELECT g.held_at IS NULL AND g.mark >= :seen FROM guard g WHERE g.one)
        AND (SELECT n.paused_at IS NULL AND t.suspended_at IS NULL FROM number n JOIN tenant t ON t.id = n.tenant_id WHERE n.tenant_id = :tenant_id AND n.id = r.number_id)
        THEN r.attempt_id END AS claim_id
    FROM json_to_recordset(:messages::json)
      AS r (id uuid, number_id uuid, contact_id uuid, conversation_id uuid, source text, source_id uuid, source_no bigint, ordinal int, category text,
            content jsonb, sha256 text, seq bigint, fallback jsonb, attempt_id uuid, not_before timestamptz)
), queued AS (
    INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal, category, policy, content, content_sha256,
                         seq, fallback, state, attempt_no, not_before, created_at)
    SELECT :tenant_id, p.id, p.number_id, p.contact_id, p.conversation_id, p.source, p.source_id, p.source_no, p.ordinal, p.category,
           CASE WHEN p.category = 'service' THEN 'at_least_once' ELSE 'at_most_once' END, p.content, decode(p.sha256, 'base64'), p.seq, p.fallback,
           CASE WHEN p.claim_id IS NULL THEN 'queued' ELSE 'sending' END, CASE WHEN p.claim_id IS NULL THEN 0 ELSE 1 END,
           coalesce(p.not_before, :now::timestamptz), :now::timestamptz
    FROM put p ORDER BY p.source, p.source_id, p.source_no, p.ordinal
    ON CONFLICT (tenant_id, source, source_id, source_no, ordinal) DO NOTHING
    RETURNING id
), claimed AS (
    INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, claimed_at)
    SELECT :tenant_id, p.claim_id, p.id, p.number_id, p.contact_id, 1, :boot, 'claimed', :now FROM put p JOIN queued q ON q.id = p.id WHERE p.claim_id IS NOT NULL
    RETURNING id
)

-- name: queue_messages
WITH
-- include: ledger.queueing
SELECT id FROM claimed;

-- name: draw_places
-- Under the contacts' locks. Places that are drawn and not used are gaps.
UPDATE conversation c SET seq = c.seq + n.n FROM unnest(:ids::uuid[], :ns::int[]) AS n (id, n)
WHERE c.tenant_id = :tenant_id AND c.id = n.id RETURNING c.id, c.seq - n.n + 1 AS first;

-- name: record_echoes
-- What a person sent from the shop's telephone has gone out already.
INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal, category, policy, content, content_sha256,
                     state, not_before, created_at, accepted_at, wamid)
SELECT :tenant_id, m.id, m.number_id, m.contact_id, m.conversation_id, 'echo', m.source_id, 0, 0, 'service', 'at_most_once', m.content, m.sha256,
       'accepted', m.at, m.at, m.at, m.wamid
FROM unnest(:ids::uuid[], :number_ids::uuid[], :contact_ids::uuid[], :conversation_ids::uuid[], :source_ids::uuid[], :contents::jsonb[], :sha256s::bytea[],
            :ats::timestamptz[], :wamids::text[]) AS m (id, number_id, contact_id, conversation_id, source_id, content, sha256, at, wamid)
ORDER BY m.source_id ON CONFLICT (tenant_id, source, source_id, source_no, ordinal) DO NOTHING RETURNING conversation_id, created_at AS at;

-- name: attempts_by_callback
SELECT id, message_id, number_id, n, wamid FROM attempt WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: attempts_by_wamid
SELECT a.id, a.message_id, a.number_id, a.n, a.wamid FROM unnest(:number_ids::uuid[], :wamids::text[]) AS w (number_id, wamid)
JOIN attempt a ON a.tenant_id = :tenant_id AND a.number_id = w.number_id AND a.wamid = w.wamid;

-- name: echoes_by_wamid
SELECT m.id, m.number_id, m.wamid FROM unnest(:number_ids::uuid[], :wamids::text[]) AS w (number_id, wamid)
JOIN message m ON m.tenant_id = :tenant_id AND m.number_id = w.number_id AND m.wamid = w.wamid;

-- name: lock_messages
-- Sorted, before anything of them is changed: statuses, senders and the reconciler meet here.
SELECT id FROM message WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: lift
-- A status proves that WhatsApp has the message, whatever we heard or did not hear. Up, never down; the times and the price are kept
-- even when a higher status came first. That one attempt failed does not end a message that was sent again since. Locked first,
-- sorted. (Whether an attempt has its wamid is asked row by row: in the WHERE it would lead the planner through all that have
-- none.) Says how many of the settled attempts are duplicates: another of their message had been accepted; and which messages went up.
WITH n AS (
    SELECT * FROM json_to_recordset(:lifts::json)
      AS n (message_id uuid, failed_n int, state text, code int, detail text, pricing jsonb, accepted_at timestamptz, sent_at timestamptz, delivered_at timestamptz,
            read_at timestamptz, played_at timestamptz, failed_at timestamptz)
), locked AS (
    SELECT id, state, attempt_no FROM message WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE
), told AS (
    SELECT n.*, l.state AS was, CASE WHEN n.failed_at IS NOT NULL AND coalesce(n.failed_n >= l.attempt_no, true) AND message_rank(n.state) < message_rank('failed')
        THEN 'failed' ELSE n.state END AS now_state FROM n JOIN locked l ON l.id = n.message_id
), lift AS (
    SELECT t.*, message_rank(t.now_state) > message_rank(t.was) AS higher FROM told t
), s AS (
    SELECT s.id, s.message_id, s.wamid, l.attempt_no FROM json_to_recordset(:settled::json) AS s (id uuid, message_id uuid, wamid text)
    JOIN locked l ON l.id = s.message_id
), settled AS (
    UPDATE attempt a SET state = CASE WHEN a.wamid IS NULL THEN 'accepted' ELSE a.state END, wamid = coalesce(a.wamid, s.wamid),
        ended_at = coalesce(a.ended_at, :now)
    FROM s WHERE a.tenant_id = :tenant_id AND a.id = s.id
), lifted AS (
    UPDATE message m SET
    state = CASE WHEN n.higher THEN n.now_state ELSE m.state END,
    reason = CASE WHEN n.higher THEN NULL ELSE m.reason END,
    code = CASE WHEN n.higher AND n.now_state = 'failed' THEN n.code ELSE m.code END,
    detail = CASE WHEN n.higher AND n.now_state = 'failed' THEN n.detail ELSE m.detail END,
    held = m.held AND NOT n.higher,
    accepted_at = coalesce(m.accepted_at, n.accepted_at),
    sent_at = least(m.sent_at, n.sent_at), delivered_at = least(m.delivered_at, n.delivered_at),
    read_at = least(m.read_at, n.read_at), played_at = least(m.played_at, n.played_at), failed_at = least(m.failed_at, n.failed_at),
    pricing = coalesce(m.pricing, n.pricing)
    FROM lift n WHERE m.tenant_id = :tenant_id AND m.id = n.message_id
)
SELECT count(*)::int AS duplicates, (SELECT coalesce(array_agg(message_id), '{}') FROM lift WHERE higher) AS moved FROM s WHERE s.attempt_no > 1 AND (
    EXISTS (SELECT FROM s o WHERE o.message_id = s.message_id AND o.id < s.id)
    OR EXISTS (SELECT FROM attempt o WHERE o.tenant_id = :tenant_id AND o.message_id = s.message_id AND o.id <> s.id AND o.wamid IS NOT NULL));

-- name: keep_orphans
INSERT INTO status_orphan (tenant_id, number_id, wamid, status, participant, at, content, received_at)
SELECT :tenant_id, o.*, :received_at::timestamptz FROM unnest(:number_ids::uuid[], :wamids::text[], :statuses::text[], :participants::text[], :ats::timestamptz[], :contents::jsonb[])
  AS o (number_id, wamid, status, participant, at, content)
ORDER BY o.number_id, o.wamid, o.status, o.participant ON CONFLICT DO NOTHING;

-- name: take_orphans
DELETE FROM status_orphan o USING unnest(:number_ids::uuid[], :wamids::text[]) AS w (number_id, wamid)
WHERE o.tenant_id = :tenant_id AND o.number_id = w.number_id AND o.wamid = w.wamid RETURNING o.number_id, o.content;

-- name: known_orphans
SELECT tenant_id, number_id, wamid FROM known_orphans(:most::int);

-- name: drop_orphans
DELETE FROM status_orphan WHERE tenant_id = :tenant_id AND received_at < :before;

-- name: claim
-- The intent, both halves: the message is `sending` and its attempt exists. Like `withdraw` and `defer` for messages that this
-- transaction found queued and locked: asking for their state again would lead the planner through all that is queued.
WITH n AS (SELECT * FROM json_to_recordset(:claims::json) AS n (message_id uuid, attempt_id uuid, contact_id uuid, n int)),
moved AS (UPDATE message m SET state = 'sending', attempt_no = n.n FROM n WHERE m.tenant_id = :tenant_id AND m.id = n.message_id)
INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, claimed_at)
SELECT :tenant_id, n.attempt_id, n.message_id, :number_id, n.contact_id, n.n, :boot, 'claimed', :now FROM n;

-- name: withdraw
-- Without a reason nobody knows whether an earlier attempt went out.
UPDATE message m SET state = CASE WHEN n.reason IS NULL THEN 'unknown' ELSE 'withdrawn' END, reason = n.reason FROM unnest(:ids::uuid[], :reasons::text[]) AS n (id, reason)
WHERE m.tenant_id = :tenant_id AND m.id = n.id;

-- name: defer
-- What may wait long, for its template or a file, gives up its place: the conversation goes on without it.
UPDATE message m SET not_before = n.at, seq = CASE WHEN n.place_kept THEN m.seq END
FROM unnest(:ids::uuid[], :ats::timestamptz[], :places_kept::boolean[]) AS n (id, at, place_kept)
WHERE m.tenant_id = :tenant_id AND m.id = n.id;

-- name: fail
-- What can never go: nothing of it left us.
UPDATE message m SET state = 'failed', code = n.code, detail = n.detail, failed_at = :now
FROM unnest(:ids::uuid[], :codes::int[], :details::text[]) AS n (id, code, detail)
WHERE m.tenant_id = :tenant_id AND m.id = n.id;

-- name: record_outcomes
-- What came of attempts, and what that makes of their messages: locked first, sorted. What is known of an attempt is never discarded,
-- even when its message has moved on. Only the attempt that is the message's latest may move it (one whose claim was not committed is
-- none: another may have its number since), and never down from what a status has shown. Says whether something else is unfinished in these conversations: it may be its turn now. (Asking for `queued`
-- alone would lead the planner through all that is queued.) And how many of the accepted attempts are duplicates, and which messages moved.
WITH n AS (
    SELECT * FROM json_to_recordset(:outcomes::json)
      AS n (attempt_id uuid, message_id uuid, conversation_id uuid, n int, attempt text, state text, code int, detail text, wamid text, held bool,
            first_byte_at timestamptz, not_before timestamptz)
), locked AS (
    SELECT id, attempt_no FROM message WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE
), ended AS (
    UPDATE attempt a SET state = n.attempt, code = n.code, detail = n.detail, wamid = coalesce(a.wamid, n.wamid), first_byte_at = n.first_byte_at, ended_at = :now
    FROM n JOIN locked l ON l.id = n.message_id WHERE a.tenant_id = :tenant_id AND a.id = n.attempt_id AND a.state <> 'accepted'
    RETURNING a.id
), moved AS (
    UPDATE message m SET state = n.state, reason = NULL, code = n.code, detail = n.detail, held = n.held, not_before = coalesce(n.not_before, m.not_before),
        accepted_at = CASE WHEN n.state = 'accepted' THEN coalesce(m.accepted_at, :now) ELSE m.accepted_at END,
        failed_at = CASE WHEN n.state = 'failed' THEN :now ELSE m.failed_at END,
        doubt_at = CASE WHEN n.state = 'in_doubt' THEN coalesce(m.doubt_at, :now) END
    FROM n JOIN locked l ON l.id = n.message_id
    WHERE m.tenant_id = :tenant_id AND m.id = n.message_id AND CASE WHEN n.state = 'accepted' THEN message_rank(m.state) < message_rank('accepted')
      ELSE m.attempt_no = n.n AND m.state IN ('sending', 'in_doubt') AND n.attempt_id IN (SELECT id FROM ended) END
    RETURNING m.id
)
SELECT EXISTS (SELECT FROM n CROSS JOIN LATERAL (
    SELECT FROM message q WHERE q.tenant_id = :tenant_id AND q.conversation_id = n.conversation_id
    AND q.state IN ('queued', 'sending', 'in_doubt') AND q.id <> ALL (:ids::uuid[]) LIMIT 1
) AS q) AS successors, (
    SELECT count(*)::int FROM n JOIN locked l ON l.id = n.message_id WHERE l.attempt_no > 1 AND n.wamid IS NOT NULL
    AND EXISTS (SELECT FROM attempt o WHERE o.tenant_id = :tenant_id AND o.message_id = n.message_id AND o.id <> n.attempt_id AND o.wamid IS NOT NULL)
) AS duplicates, (SELECT coalesce(array_agg(id), '{}') FROM moved) AS moved;

-- name: owed_fallbacks
-- Of messages that this transaction has moved: those that met a closed window and were given something to go in their place. Not where an
-- attempt of it may have arrived, nor where a person has stepped in since it was written. (By id alone: the state would lead the planner
-- through all that is withdrawn.)
SELECT m.id, m.number_id, m.contact_id, m.conversation_id, m.source, m.source_id, m.source_no, m.ordinal, m.seq, m.fallback
FROM message m JOIN conversation v ON v.tenant_id = m.tenant_id AND v.id = m.conversation_id
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]) AND m.fallback IS NOT NULL
  AND CASE WHEN m.state = 'withdrawn' THEN m.reason = 'window_closed' ELSE m.state = 'failed' AND m.code = 131047 END
  AND NOT (m.source = 'turn' AND coalesce(v.taken_at >= m.created_at, false))
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.state = 'unknown');

-- name: doubt_number
-- We have just taken this number's lease and have nothing on the wire: what is `sending` is somebody's who died. Nobody will tell
-- what became of its attempt, unless a status does.
WITH moved AS (
    UPDATE message SET state = 'in_doubt', doubt_at = :now WHERE tenant_id = :tenant_id AND number_id = :number_id AND state = 'sending' RETURNING id, attempt_no
)
UPDATE attempt a SET state = 'unknown', detail = 'its sender is gone', ended_at = :now FROM moved m
WHERE a.tenant_id = :tenant_id AND a.message_id = m.id AND a.n = m.attempt_no AND a.state = 'claimed';

-- name: doubt
-- The sender's lease ended and nobody has taken it.
WITH moved AS (
    UPDATE message SET state = 'in_doubt', doubt_at = :now WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) AND state = 'sending' RETURNING id, attempt_no
)
UPDATE attempt a SET state = 'unknown', detail = 'its sender is gone', ended_at = :now FROM moved m
WHERE a.tenant_id = :tenant_id AND a.message_id = m.id AND a.n = m.attempt_no AND a.state = 'claimed';

-- name: doubts
-- The facts that decide about a doubt, of messages that are locked. A turn's reply has been overtaken when the customer wrote what a
-- later turn answered, or is to answer; any other message when the customer wrote after it. (Asking for `in_doubt` here, or where it
-- is resolved, would lead the planner through all that is.)
SELECT m.id, m.number_id, m.state, m.doubt_at, m.policy, (
    SELECT count(*)::int FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.state NOT IN ('refused', 'not_sent', 'abandoned')) AS posts,
    m.source, m.created_at, v.taken_at, v.window_until, coalesce((
    SELECT CASE WHEN m.source = 'turn' THEN e.turn_no IS NULL OR e.turn_no > m.source_no ELSE e.received_at > m.created_at END
    FROM event e WHERE e.tenant_id = m.tenant_id AND e.conversation_id = m.conversation_id AND e.state <> 'ignored'
    ORDER BY e.arrival DESC, e.position DESC LIMIT 1), false) AS overtaken
FROM message m JOIN conversation v ON v.tenant_id = m.tenant_id AND v.id = m.conversation_id
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[]);

-- name: resolve
-- The end of a doubt, or another attempt. A late status still lifts what was given up.
UPDATE message m SET state = n.state, reason = n.reason,
    doubt_at = CASE WHEN n.state = 'queued' THEN NULL ELSE m.doubt_at END, not_before = CASE WHEN n.state = 'queued' THEN :now ELSE m.not_before END
FROM unnest(:ids::uuid[], :states::text[], :reasons::text[]) AS n (id, state, reason)
WHERE m.tenant_id = :tenant_id AND m.id = n.id;

-- name: unsettled
SELECT tenant_id, message_id FROM unsettled_messages(:doubt_before, :most::int);

-- name: give_up_restored
-- As `outbound.restored` finds them, a chunk at a time, sorted: nobody can know whether they went out before the database lost it.
WITH found AS (
    SELECT m.id FROM message m
    WHERE m.tenant_id = :tenant_id AND m.state IN ('queued', 'sending', 'in_doubt') AND m.policy = ANY (:policies::text[])
      AND CASE WHEN m.source = 'turn' THEN NOT EXISTS (
                 SELECT FROM event e WHERE e.tenant_id = m.tenant_id AND e.conversation_id = m.conversation_id AND e.arrival > :arrival AND e.turn_no <= m.source_no)
               ELSE m.created_at <= :held_at END
    ORDER BY m.id LIMIT :most FOR NO KEY UPDATE OF m
)
UPDATE message m SET state = 'unknown', code = NULL, detail = 'the database was restored: it may have gone out before' FROM found
WHERE m.tenant_id = :tenant_id AND m.id = found.id RETURNING m.id;

-- name: lock_dead_messages
-- What a person decides about, locked first, sorted; what they are now is asked with the lock. (By id alone, like what changes them: the
-- state would lead the planner through all dead letters.) `gone` when one of its attempts was accepted, or nobody knows; `overtaken` when
-- the conversation has gone on since the turn that wrote it; `emptied` when what it said is kept no more.
-- Without those to who was forgotten: there is nothing left to send.
SELECT m.id, m.number_id, m.state, m.discarded_at IS NOT NULL AS discarded, m.content = '{}' AS emptied, m.source = 'turn' AND v.turn_no > m.source_no AS overtaken,
       EXISTS (SELECT FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.state IN ('accepted', 'unknown')) AS gone
FROM message m JOIN conversation v ON v.tenant_id = m.tenant_id AND v.id = m.conversation_id
WHERE m.tenant_id = :tenant_id AND m.id = ANY (:ids::uuid[])
  AND (SELECT c.erased_at FROM contact c WHERE c.tenant_id = m.tenant_id AND c.id = m.contact_id) IS NULL
ORDER BY m.id FOR NO KEY UPDATE OF m;

-- name: replay_messages
-- Into the queue once more. Its attempt numbers go on behind a gap: a status that reports the failure of before once again is of none
-- of the attempts to come.
UPDATE message SET state = 'queued', attempt_no = attempt_no + 1, code = NULL, detail = NULL, failed_at = NULL, doubt_at = NULL, not_before = :now, replayed_at = :now
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: discard_messages
UPDATE message SET discarded_at = :now WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: dead_events
-- Asked before their contacts are locked, for whose they are, and after, for what they are. Without those of who was forgotten.
SELECT e.id, e.contact_id, e.conversation_id, e.state, e.discarded_at IS NOT NULL AS discarded, e.content = '{}' AS emptied
FROM event e LEFT JOIN contact c ON c.tenant_id = :tenant_id AND c.id = e.contact_id
WHERE e.tenant_id = :tenant_id AND e.id = ANY (:ids::uuid[]) AND c.erased_at IS NULL;

-- name: replay_events
-- Under the lock of their contacts, which are due at once.
WITH again AS (
    UPDATE event SET state = 'unhandled', reason = NULL, tries = 0 WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) RETURNING contact_id
)
UPDATE contact c SET due_at = least(c.due_at, :now) FROM (SELECT DISTINCT contact_id FROM again) AS a WHERE c.tenant_id = :tenant_id AND c.id = a.contact_id AND c.erased_at IS NULL;

-- name: discard_events
UPDATE event SET discarded_at = :now WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);
