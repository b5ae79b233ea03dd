-- name: meet
-- Who these people may be, by either key, each with its own index, with the one lock: sorted; NO KEY, because foreign keys share the
-- row. The rows come as they are once the lock is ours, and with them the conversations they have.
SELECT c.id, c.portfolio_id, c.user_id, c.phone, c.wa_id, c.name, c.username, c.created_at, c.is_named,
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
RETURNING id, portfolio_id, user_id, phone, wa_id, name, username, created_at, is_named;

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
SET owner = 'human', queue = excluded.queue, human_at = excluded.human_at, taken_at = excluded.taken_at WHERE w.owner = 'bot'
RETURNING w.id, w.number_id, w.queue;

-- name: carry_profile
-- What was kept of the loser goes on with the winner, whose own word counts where both have one.
UPDATE contact w SET language = coalesce(w.language, l.language), fields = l.fields || w.fields,
    name = CASE WHEN l.is_named AND NOT w.is_named THEN l.name ELSE coalesce(w.name, l.name) END, is_named = w.is_named OR l.is_named,
    tags = w.tags || ARRAY(SELECT t FROM unnest(l.tags) AS t WHERE t <> ALL (w.tags))
FROM contact l WHERE w.tenant_id = :tenant_id AND w.id = :winner_id AND l.tenant_id = :tenant_id AND l.id = :loser_id;

-- name: index
-- Under the contacts' locks, in a statement of its own: what was just written is seen. Who was merged is found no more.
WITH now AS (
    SELECT c.id, t.term FROM contact c CROSS JOIN LATERAL contact_terms(c.name, c.username, c.phone, c.tags, c.fields) AS t (term)
    WHERE c.tenant_id = :tenant_id AND c.id = ANY (:ids::uuid[]) AND c.merged_into IS NULL AND t.term <> 's:'
), gone AS (
    DELETE FROM contact_term t WHERE t.tenant_id = :tenant_id AND t.contact_id = ANY (:ids::uuid[])
    AND NOT EXISTS (SELECT FROM now n WHERE n.id = t.contact_id AND n.term = t.term)
)
INSERT INTO contact_term (tenant_id, contact_id, term) SELECT :tenant_id, n.id, n.term FROM now n ORDER BY n.id, n.term ON CONFLICT DO NOTHING;

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
-- Back to the bot. `taken_at` stays: what was queued before a person came is not sent when he leaves. With a person no time runs out: a
-- turn is to look when the next one does.
WITH freed AS (
    UPDATE conversation SET owner = 'bot', queue = NULL, human_at = NULL WHERE tenant_id = :tenant_id AND id = :id AND owner = 'human'
    RETURNING id, contact_id, number_id
), woken AS (
    UPDATE contact c SET due_at = least(c.due_at, :now) FROM freed f WHERE c.tenant_id = :tenant_id AND c.id = f.contact_id AND c.erased_at IS NULL
)
SELECT id, contact_id, number_id FROM freed;

-- name: readdress
-- WhatsApp says that somebody is reached elsewhere now. Where another contact has that name already, both stay.
UPDATE contact c SET user_id = coalesce(:user_id, c.user_id), portfolio_id = CASE WHEN :user_id::text IS NULL THEN c.portfolio_id ELSE :portfolio_id END,
       phone = coalesce(:phone, c.phone), wa_id = coalesce(:wa_id, c.wa_id)
WHERE c.tenant_id = :tenant_id AND c.id = :id
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.phone = :phone)
  AND NOT EXISTS (SELECT FROM contact o WHERE o.tenant_id = :tenant_id AND o.id <> :id AND o.portfolio_id = :portfolio_id AND o.user_id = :user_id);

-- part: profile
SELECT c.id, c.name, c.phone, c.username, c.user_id, c.portfolio_id, c.language, c.tags, c.fields, c.created_at

-- name: newest
-- Ids begin with their time. (Those who were merged are few.)
-- include: contacts.profile
FROM contact c WHERE c.tenant_id = :tenant_id AND c.id < :before_id AND c.merged_into IS NULL AND c.erased_at IS NULL ORDER BY c.id DESC LIMIT :most;

-- name: with_term
-- Who has a tag, or this in a field: the newest first.
-- include: contacts.profile
FROM contact_term t JOIN contact c ON c.tenant_id = t.tenant_id AND c.id = t.contact_id
WHERE t.tenant_id = :tenant_id AND t.term = :term AND t.contact_id < :before_id ORDER BY t.contact_id DESC LIMIT :most;

-- name: who_said
-- Whose newest word on a purpose is this: the newest contacts first.
-- include: contacts.profile
FROM consent s JOIN contact c ON c.tenant_id = s.tenant_id AND c.id = s.contact_id
WHERE s.tenant_id = :tenant_id AND s.purpose = :purpose AND s.state = :state AND s.contact_id < :before_id AND c.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM consent n WHERE n.tenant_id = :tenant_id AND n.contact_id = s.contact_id AND n.purpose = :purpose
                  AND (n.arrival, n.position, n.id) > (s.arrival, s.position, s.id))
ORDER BY s.contact_id DESC LIMIT :most;

-- name: folded
SELECT fold(:said) AS said;

-- part: first_found
NOT EXISTS (SELECT FROM contact_term f WHERE f.tenant_id = :tenant_id AND f.contact_id = t.contact_id AND f.term >= :first AND f.term < t.term)

-- name: search
-- By the beginning of a word of the name with all that follows it, of the user name, or of the telephone number: in the order of what
-- was found, each contact once. Terms lie in the order of bytes: what begins alike lies together. The rest of the cursor's own term and what is behind it
-- apart: of a comparison of rows the index takes no place to begin at.
-- include: contacts.profile
, t.term FROM (
    (SELECT t.term, t.contact_id FROM contact_term t
     WHERE t.tenant_id = :tenant_id AND t.term = :after_term AND t.contact_id > :after_id AND
-- include: contacts.first_found
     ORDER BY t.contact_id LIMIT :most)
    UNION ALL
    (SELECT t.term, t.contact_id FROM contact_term t
     WHERE t.tenant_id = :tenant_id AND t.term > :after_term AND t.term < :behind AND
-- include: contacts.first_found
     ORDER BY t.term, t.contact_id LIMIT :most)
) AS t JOIN contact c ON c.tenant_id = :tenant_id AND c.id = t.contact_id ORDER BY t.term, t.contact_id LIMIT :most;

-- name: whole
-- Who was merged is shown as whom he was merged into, who was forgotten not at all.
SELECT c.id, c.name, c.phone, c.username, c.user_id, c.portfolio_id, c.language, c.tags, c.fields, c.created_at, c.is_named, c.wa_id, (
           SELECT json_agg(json_build_object('id', v.id, 'number_id', v.number_id, 'state', v.state, 'owner', v.owner) ORDER BY v.created_at, v.id)
           FROM (SELECT c.id UNION ALL SELECT id FROM contact WHERE tenant_id = :tenant_id AND merged_into = c.id) AS w
           JOIN conversation v ON v.tenant_id = :tenant_id AND v.contact_id = w.id
       ) AS conversations, (
           SELECT json_agg(json_build_object('purpose', s.purpose, 'state', s.state, 'at', s.at) ORDER BY s.purpose)
           FROM (SELECT DISTINCT ON (purpose) purpose, state, at FROM consent WHERE tenant_id = :tenant_id AND contact_id = c.id
                 ORDER BY purpose, arrival DESC, position DESC, id DESC) AS s
       ) AS consents
FROM contact c WHERE c.tenant_id = :tenant_id AND c.id = (SELECT coalesce(merged_into, id) FROM contact WHERE tenant_id = :tenant_id AND id = :id)
  AND c.erased_at IS NULL;

-- name: is_our_portfolio
SELECT EXISTS (SELECT FROM number_route WHERE kind = 'portfolio' AND meta_id = :portfolio_id AND tenant_id = :tenant_id) AS is_ours;

-- name: keep_profile
UPDATE contact SET name = :name, is_named = :is_named, language = :language, tags = :tags, fields = :fields WHERE tenant_id = :tenant_id AND id = :id;

-- name: buried
-- The tenant, if it has forgotten anybody: whose key says who that was.
SELECT id, slug, name, timezone, language, data_key FROM tenant WHERE id = :tenant_id AND EXISTS (SELECT FROM tombstone WHERE tenant_id = :tenant_id AND hash >= '');

-- name: tombstones
SELECT hash, refused, erased_at FROM tombstone WHERE tenant_id = :tenant_id AND hash = ANY (:hashes::bytea[]);

-- name: bury
-- Forgotten twice, what was refused either time is refused.
INSERT INTO tombstone AS t (tenant_id, hash, refused, erased_at) SELECT :tenant_id, h, :refused, :now FROM unnest(:hashes::bytea[]) AS h ORDER BY h
ON CONFLICT (tenant_id, hash) DO UPDATE SET erased_at = greatest(t.erased_at, excluded.erased_at),
    refused = ARRAY(SELECT DISTINCT r FROM unnest(t.refused || excluded.refused) AS r ORDER BY r);

-- name: everybody
SELECT id, portfolio_id, user_id, phone, wa_id, name, username, created_at, is_named FROM contact
WHERE tenant_id = :tenant_id AND id > :after AND erased_at IS NULL ORDER BY id LIMIT :most;

-- name: hand_over
-- To people, unasked: what the bot has queued by now is withdrawn by the sender, as when a person writes.
UPDATE conversation SET owner = 'human', queue = :queue, human_at = :now, taken_at = greatest(taken_at, :now), state = 'open'
WHERE tenant_id = :tenant_id AND id = :id;

-- name: close
-- The bot's again, and what it has queued by now is withdrawn: the customer's next word opens it anew.
UPDATE conversation SET owner = 'bot', queue = NULL, human_at = NULL, taken_at = greatest(taken_at, :now), state = 'closed'
WHERE tenant_id = :tenant_id AND id = :id;
