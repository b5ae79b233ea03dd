-- name: meet
-- Who these people may be, by either key, each with its own index, with the one lock: sorted; NO KEY, because foreign keys share the
-- row. The rows come as they are once the lock is ours, and with them the conversations they have.
SELECT c.id, c.portfolio_id, c.user_id, c.phone, c.wa_id, c.name, c.username, c.created_at,
       (SELECT json_agg(v) FROM (SELECT id, number_id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = c.id) AS v) AS talks
FROM contact c WHERE c.tenant_id = :tenant_id AND c.id IN (
    SELECT id FROM contact WHERE tenant_id = :tenant_id AND phone = ANY (:phones::text[])
    UNION
    SELECT k.id FROM unnest(:portfolio_ids::text[], :user_ids::text[]) AS u (portfolio_id, user_id)
    JOIN contact k ON k.tenant_id = :tenant_id AND k.portfolio_id = u.portfolio_id AND k.user_id = u.user_id
) ORDER BY c.id FOR NO KEY UPDATE OF c;

-- name: insert
-- No conflict target: whichever of the two keys somebody else has just taken, we must look again. Sorted against deadlocks.
INSERT INTO contact (tenant_id, id, portfolio_id, user_id, phone, wa_id, name, username, created_at)
SELECT :tenant_id, n.* FROM json_to_recordset(:records::json)
  AS n (id uuid, portfolio_id text, user_id text, phone text, wa_id text, name text, username text, created_at timestamptz)
ORDER BY n.phone, n.user_id ON CONFLICT DO NOTHING
RETURNING id, portfolio_id, user_id, phone, wa_id, name, username, created_at;

-- name: lock
SELECT id FROM contact WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: lock_due
-- For a turn: somebody else's contact is his, also one that he must run alone, and one that is no longer due has been answered. Whom two
-- must run alone, because both had him in hand, is the lower one's.
SELECT id FROM contact WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]) AND due_at <= :now
AND id NOT IN (SELECT u.id FROM running r CROSS JOIN LATERAL unnest(r.ids) AS u (id) WHERE r.stage = 'alone' AND r.boot <> :boot AND (r.boot < :boot
    OR NOT EXISTS (SELECT FROM running mine WHERE mine.boot = :boot AND mine.stage = 'alone' AND u.id = ANY (mine.ids))))
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: describe
UPDATE contact c SET portfolio_id = n.portfolio_id, user_id = n.user_id, phone = n.phone, wa_id = n.wa_id, name = n.name, username = n.username
FROM unnest(:ids::uuid[], :portfolio_ids::text[], :user_ids::text[], :phones::text[], :wa_ids::text[], :names::text[], :usernames::text[])
  AS n (id, portfolio_id, user_id, phone, wa_id, name, username)
WHERE c.tenant_id = :tenant_id AND c.id = n.id;

-- name: release_identity
-- The loser of a merge gives its keys up first: the winner's row may then take them.
UPDATE contact SET portfolio_id = NULL, user_id = NULL, phone = NULL, merged_into = :winner_id
WHERE tenant_id = :tenant_id AND id IN (SELECT :id::uuid UNION SELECT id FROM contact WHERE tenant_id = :tenant_id AND merged_into = :id);

-- name: carry_owner
-- After a merge a person stays with the person: the winner's conversation on the same number too, made where he has none yet.
INSERT INTO conversation AS w (tenant_id, id, contact_id, number_id, owner, queue, human_at, taken_at, created_at)
SELECT l.tenant_id, gen_random_uuid(), :winner_id::uuid, l.number_id, l.owner, l.queue, l.human_at, l.taken_at, l.created_at
FROM conversation l WHERE l.tenant_id = :tenant_id AND l.contact_id = :loser_id AND l.owner = 'human' ORDER BY l.number_id
ON CONFLICT (tenant_id, contact_id, number_id) DO UPDATE
SET owner = 'human', queue = excluded.queue, human_at = excluded.human_at, taken_at = excluded.taken_at WHERE w.owner = 'bot';

-- name: look_again
UPDATE contact SET due_at = :due_at WHERE tenant_id = :tenant_id AND id = :id;

-- name: conversations
SELECT id, contact_id, number_id FROM conversation WHERE tenant_id = :tenant_id AND contact_id = ANY (:contact_ids::uuid[]);

-- name: insert_conversations
INSERT INTO conversation (tenant_id, id, contact_id, number_id, created_at)
SELECT :tenant_id, n.*, :created_at::timestamptz FROM json_to_recordset(:records::json) AS n (id uuid, contact_id uuid, number_id uuid)
ORDER BY n.contact_id, n.number_id ON CONFLICT (tenant_id, contact_id, number_id) DO NOTHING RETURNING id;

-- name: take_over
-- A person wrote from the shop's own telephone: the bot is silent, and all that it has queued by now is withdrawn by the sender,
-- whatever WhatsApp's clock says of when the person wrote. Says whose it was until now.
UPDATE conversation c SET owner = 'human', human_at = greatest(c.human_at, n.at), taken_at = greatest(c.taken_at, :now), state = 'open'
FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS n (id, at) JOIN conversation o ON o.tenant_id = :tenant_id AND o.id = n.id
WHERE c.tenant_id = :tenant_id AND c.id = n.id RETURNING c.id, c.contact_id, c.number_id, c.queue, o.owner AS was;

-- name: conversation_contact
SELECT contact_id FROM conversation WHERE tenant_id = :tenant_id AND id = :id;

-- name: release
-- Back to the bot. `taken_at` stays: what was queued before a person came is not sent when he leaves.
UPDATE conversation SET owner = 'bot', queue = NULL, human_at = NULL WHERE tenant_id = :tenant_id AND id = :id AND owner = 'human' RETURNING id, contact_id, number_id;

-- name: readdress
-- WhatsApp says that somebody is reached elsewhere now. Where another contact has that name already, both stay.
UPDATE contact c SET user_id = coalesce(:user_id, c.user_id), portfolio_id = CASE WHEN :user_id::text IS NULL THEN c.portfolio_id ELSE :portfolio_id END,
       phone = coalesce(:phone, c.phone), wa_id = coalesce(:wa_id, c.wa_id)
WHERE c.tenant_id = :tenant_id AND c.id = :id
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.phone = :phone)
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.portfolio_id = :portfolio_id AND o.user_id = :user_id);
