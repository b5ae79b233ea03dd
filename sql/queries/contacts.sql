-- name: find
-- By either key, each with its own index; a person known by both comes once.
SELECT id, portfolio_id, user_id, phone, wa_id, name, username, created_at FROM contact
WHERE tenant_id = :tenant_id AND phone = ANY (:phones::text[])
UNION
SELECT c.id, c.portfolio_id, c.user_id, c.phone, c.wa_id, c.name, c.username, c.created_at
FROM unnest(:portfolio_ids::text[], :user_ids::text[]) AS u (portfolio_id, user_id)
JOIN contact c ON c.tenant_id = :tenant_id AND c.portfolio_id = u.portfolio_id AND c.user_id = u.user_id;

-- name: insert
-- No conflict target: whichever of the two keys somebody else has just taken, we read theirs afterwards. Sorted against deadlocks.
INSERT INTO contact (tenant_id, id, portfolio_id, user_id, phone, wa_id, name, username, created_at)
SELECT :tenant_id, n.*, :created_at::timestamptz
FROM unnest(:ids::uuid[], :portfolio_ids::text[], :user_ids::text[], :phones::text[], :wa_ids::text[], :names::text[], :usernames::text[])
  AS n (id, portfolio_id, user_id, phone, wa_id, name, username)
ORDER BY n.phone, n.user_id ON CONFLICT DO NOTHING;

-- name: lock
-- The one lock. Sorted; NO KEY, because foreign keys share the row. The rows come as they are once the lock is ours.
SELECT id, portfolio_id, user_id, phone, wa_id, name, username, created_at FROM contact
WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: lock_due
-- For a turn: somebody else's contact is his, and one that is no longer due has been answered.
SELECT id FROM contact WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) AND due_at <= :now
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: describe
UPDATE contact c SET portfolio_id = n.portfolio_id, user_id = n.user_id, phone = n.phone, wa_id = n.wa_id, name = n.name, username = n.username
FROM unnest(:ids::uuid[], :portfolio_ids::text[], :user_ids::text[], :phones::text[], :wa_ids::text[], :names::text[], :usernames::text[])
  AS n (id, portfolio_id, user_id, phone, wa_id, name, username)
WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: release_identity
-- The loser of a merge gives its keys up first: the winner's row may then take them.
UPDATE contact SET portfolio_id = NULL, user_id = NULL, phone = NULL, merged_into = :winner_id
WHERE tenant_id = :tenant_id AND (id = :id OR merged_into = :id);

-- name: carry_owner
-- After a merge a person stays with the person: the winner's conversation on the same number too, made where he has none yet.
INSERT INTO conversation AS w (tenant_id, id, contact_id, number_id, owner, queue, human_at, taken_at, created_at)
SELECT l.tenant_id, gen_random_uuid(), :winner_id::uuid, l.number_id, l.owner, l.queue, l.human_at, l.taken_at, l.created_at
FROM conversation l WHERE l.tenant_id = :tenant_id AND l.contact_id = :loser_id AND l.owner = 'human' ORDER BY l.number_id
ON CONFLICT (tenant_id, contact_id, number_id) DO UPDATE
SET owner = 'human', queue = excluded.queue, human_at = excluded.human_at, taken_at = excluded.taken_at WHERE w.owner = 'bot';

-- name: leave
-- What a turn writes back as it leaves: when to look again, and what the flow changed.
UPDATE contact c SET due_at = n.due_at, tags = CASE WHEN n.tags IS NULL THEN c.tags ELSE ARRAY(SELECT jsonb_array_elements_text(n.tags)) END
FROM unnest(:ids::uuid[], :due_ats::timestamptz[], :tags::jsonb[]) AS n (id, due_at, tags)
WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: conversations
SELECT id, contact_id, number_id FROM conversation
WHERE tenant_id = :tenant_id AND contact_id = ANY (:contact_ids::uuid[]);

-- name: insert_conversations
INSERT INTO conversation (tenant_id, id, contact_id, number_id, created_at)
SELECT :tenant_id, n.*, :created_at::timestamptz FROM unnest(:ids::uuid[], :contact_ids::uuid[], :number_ids::uuid[]) AS n (id, contact_id, number_id)
ORDER BY n.contact_id, n.number_id ON CONFLICT (tenant_id, contact_id, number_id) DO NOTHING;

-- name: hear
-- A customer's message opens the conversation and 24 hours to answer in, and asks for a turn. An older message does not
-- shorten the window, and a turn that was wanted earlier stays wanted earlier.
WITH due AS (
    UPDATE contact c SET due_at = least(c.due_at, :at) WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[])
)
UPDATE conversation c SET state = 'open', window_until = greatest(c.window_until, n.until)
FROM unnest(:ids::uuid[], :untils::timestamptz[]) AS n (id, until) WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: take_over
-- A person wrote from the shop's own telephone: the bot is silent, and all that it has queued by now is withdrawn by the sender,
-- whatever WhatsApp's clock says of when the person wrote.
UPDATE conversation c SET owner = 'human', human_at = greatest(c.human_at, n.at), taken_at = greatest(c.taken_at, :now), state = 'open'
FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS n (id, at) WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: save_conversations
UPDATE conversation c SET state = n.state, owner = n.owner, queue = n.queue, human_at = n.human_at, turn_no = n.turn_no, seq = n.seq
FROM unnest(:ids::uuid[], :states::text[], :owners::text[], :queues::text[], :human_ats::timestamptz[], :turn_nos::bigint[], :seqs::bigint[])
  AS n (id, state, owner, queue, human_at, turn_no, seq)
WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: conversation_contact
SELECT contact_id FROM conversation WHERE tenant_id = :tenant_id AND id = :id;

-- name: release
-- Back to the bot. `taken_at` stays: what was queued before a person came is not sent when he leaves.
UPDATE conversation SET owner = 'bot', queue = NULL, human_at = NULL WHERE tenant_id = :tenant_id AND id = :id AND owner = 'human';

-- name: readdress
-- WhatsApp says that somebody is reached elsewhere now. Where another contact has that name already, both stay.
UPDATE contact c SET user_id = coalesce(:user_id, c.user_id), portfolio_id = CASE WHEN :user_id::text IS NULL THEN c.portfolio_id ELSE :portfolio_id END,
       phone = coalesce(:phone, c.phone), wa_id = coalesce(:wa_id, c.wa_id)
WHERE c.tenant_id = :tenant_id AND c.id = :id
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.phone = :phone)
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.portfolio_id = :portfolio_id AND o.user_id = :user_id);
