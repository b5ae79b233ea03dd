-- name: by_email
SELECT id, email, name, password_hash, is_operator, disabled_at FROM account WHERE email = :email;

-- name: by_id
SELECT id, email, name, password_hash, is_operator, disabled_at FROM account WHERE id = :id;

-- name: ensure
-- An account for this address, whoever was first; a row only for who makes it.
INSERT INTO account (id, email, created_at) VALUES (:id, :email, :now) ON CONFLICT (email) DO NOTHING;

-- name: set_operator
UPDATE account SET is_operator = :is_operator WHERE id = :id;

-- name: set_password
-- Where there is one already only with a token that was made on the machine itself.
UPDATE account SET password_hash = :password_hash, name = coalesce(:name, name) WHERE id = :id AND (:resets OR password_hash IS NULL);

-- name: rehash
-- The same password, hashed as is the custom now; not when it has been changed meanwhile.
UPDATE account SET password_hash = :password_hash WHERE id = :id AND password_hash = :old;

-- name: disable
UPDATE account SET disabled_at = :now WHERE id = :id AND disabled_at IS NULL;

-- name: enable
UPDATE account SET disabled_at = NULL WHERE id = :id AND disabled_at IS NOT NULL;

-- name: anybody
SELECT EXISTS (SELECT FROM account) AS there_is;

-- name: open_doors
-- Across tenants, through the listed function.
SELECT tenant_id FROM memberships_of(:account_id);

-- name: hold_password
-- Whoever sets another password waits, and then ends what begins here; whoever has set one has the row no longer found.
SELECT FROM account WHERE id = :id AND password_hash = :password_hash AND disabled_at IS NULL FOR SHARE;

-- name: begin_sign_in
-- Repeated whole when it is not known whether it was kept: hence no error when it was.
INSERT INTO sign_in (id, account_id, tenant_id, address, network, started_at, proved_at, expires_at)
VALUES (:id, :account_id, :of_tenant, :address, :network, :now, :now, :expires_at) ON CONFLICT (id) DO NOTHING;

-- name: put_refresh_token
INSERT INTO refresh_token (sha256, sign_in_id, expires_at) VALUES (:sha256, :sign_in_id, :expires_at) ON CONFLICT (sha256) DO NOTHING;

-- name: forget_sign_ins
-- What has been over for a week, of somebody who signs in anew; their tokens go along. Not those that tell his usual networks.
DELETE FROM sign_in WHERE account_id = :account_id AND least(ended_at, expires_at) < :before AND started_at < :unusual_before;

-- name: refresh_token
SELECT t.sign_in_id, t.used_at, t.expires_at, s.account_id, s.tenant_id, s.started_at, s.ended_at
FROM refresh_token t JOIN sign_in s ON s.id = t.sign_in_id WHERE t.sha256 = :sha256;

-- name: lock_sign_in
-- Before its tokens are looked at: two who renew it at once do so one after the other.
SELECT FROM sign_in WHERE id = :id FOR NO KEY UPDATE;

-- name: forget_used_tokens
DELETE FROM refresh_token WHERE sign_in_id = :sign_in_id AND used_at < :before;

-- name: use_refresh_token
UPDATE refresh_token SET used_at = :now WHERE sha256 = :sha256;

-- name: prolong_sign_in
UPDATE sign_in SET expires_at = :expires_at WHERE id = :id;

-- name: prove_sign_in
UPDATE sign_in SET proved_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: end_other_sign_ins
UPDATE sign_in SET ended_at = :now WHERE account_id = :account_id AND id <> :but AND ended_at IS NULL;

-- name: end_sign_in
UPDATE sign_in SET ended_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: end_sign_ins
UPDATE sign_in SET ended_at = :now WHERE account_id = :account_id AND ended_at IS NULL;

-- name: standing
-- What a sign-in is worth at this moment: asked by each process at most every few seconds.
SELECT s.account_id, s.tenant_id AS of_tenant, m.role, a.is_operator, s.proved_at
FROM sign_in s JOIN account a ON a.id = s.account_id
LEFT JOIN membership m ON m.tenant_id = :tenant_id AND m.account_id = a.id AND m.joined_at IS NOT NULL AND m.disabled_at IS NULL
WHERE s.id = :id AND s.ended_at IS NULL AND s.expires_at > :now AND a.disabled_at IS NULL;

-- name: put_one_time_token
INSERT INTO one_time_token (sha256, account_id, tenant_id, resets, grants_operator, grants_role, expires_at)
VALUES (:sha256, :account_id, :of_tenant, :resets, :grants_operator, :grants_role, :expires_at) ON CONFLICT (sha256) DO NOTHING;

-- name: drop_one_time_tokens
-- The ones before for the same purpose, and all that are over.
DELETE FROM one_time_token WHERE account_id = :account_id AND (tenant_id IS NOT DISTINCT FROM :of_tenant OR expires_at <= :now);

-- name: drop_operator_tokens
DELETE FROM one_time_token WHERE account_id = :account_id AND grants_operator;

-- name: one_time_token
SELECT account_id, tenant_id, resets, grants_operator, grants_role FROM one_time_token WHERE sha256 = :sha256 AND expires_at > :now;

-- name: use_one_time_token
DELETE FROM one_time_token WHERE sha256 = :sha256;

-- name: throttles
SELECT key, count, until, forget_at, last_try FROM login_throttle WHERE key = ANY (:keys::text[]) ORDER BY key;

-- name: is_usual
-- Asked alike for who is unknown.
SELECT EXISTS (SELECT FROM account a JOIN sign_in s ON s.account_id = a.id
               WHERE a.email = :email AND s.network = :network AND s.started_at > :since) AS is_usual;

-- name: meet_throttles
-- With no wait: a try whose clock was read a moment earlier must not see one.
INSERT INTO login_throttle (key, until, forget_at) SELECT k, 'epoch', :now FROM unnest(:keys::text[]) AS k ORDER BY k
ON CONFLICT (key) DO NOTHING;

-- name: lock_throttles
SELECT key, count, until, forget_at, last_try FROM login_throttle WHERE key = ANY (:keys::text[]) ORDER BY key FOR NO KEY UPDATE;

-- name: save_throttles
UPDATE login_throttle t SET count = k.count, until = k.until, forget_at = k.forget_at, last_try = k.last_try
FROM unnest(:keys::text[], :counts::int[], :untils::timestamptz[], :forget_ats::timestamptz[], :last_tries::uuid[])
  AS k (key, count, until, forget_at, last_try)
WHERE t.key = k.key;

-- name: forget_throttles
-- Some at each try that is counted, the last thing in its transaction and waiting for nobody, so that strangers cannot fill the table for good.
DELETE FROM login_throttle WHERE key IN (SELECT key FROM login_throttle WHERE forget_at < :now ORDER BY forget_at LIMIT 20 FOR UPDATE SKIP LOCKED);

-- name: appoint
-- From the machine itself. Who is one of them already stays what he is until he uses the token.
INSERT INTO membership (tenant_id, account_id, role, invited_at) VALUES (:tenant_id, :account_id, :role, :now)
ON CONFLICT (tenant_id, account_id) DO NOTHING;

-- name: grant_role
-- Whoever has lost his way in gets it back.
UPDATE membership SET role = :role, disabled_at = NULL WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- name: join
UPDATE membership SET joined_at = :now WHERE tenant_id = :tenant_id AND account_id = :account_id AND joined_at IS NULL;

-- name: invite
-- Who was invited before and has not come gets the new role, and is not disabled any more; who is in keeps his, and there is no row.
INSERT INTO membership (tenant_id, account_id, role, invited_at) VALUES (:tenant_id, :account_id, :role, :now)
ON CONFLICT (tenant_id, account_id) DO UPDATE SET role = excluded.role, invited_at = excluded.invited_at, disabled_at = NULL
WHERE membership.joined_at IS NULL RETURNING account_id AS id;

-- name: members
-- The name is his own affair until he has come.
SELECT a.id, a.email, CASE WHEN m.joined_at IS NOT NULL THEN a.name END AS name, m.role, m.invited_at, m.joined_at, m.disabled_at
FROM membership m JOIN account a ON a.id = m.account_id
WHERE m.tenant_id = :tenant_id AND m.account_id > :after ORDER BY m.account_id LIMIT :most;

-- name: member
SELECT a.id, a.email, CASE WHEN m.joined_at IS NOT NULL THEN a.name END AS name, m.role, m.invited_at, m.joined_at, m.disabled_at
FROM membership m JOIN account a ON a.id = m.account_id WHERE m.tenant_id = :tenant_id AND m.account_id = :id;

-- name: lock_members
-- One of them, and every owner who may come in at all: whoever changes one at the same time waits, so that the last owner is seen to be the last.
SELECT a.id, a.email, CASE WHEN m.joined_at IS NOT NULL THEN a.name END AS name, m.role, m.invited_at, m.joined_at, m.disabled_at
FROM membership m JOIN account a ON a.id = m.account_id WHERE m.tenant_id = :tenant_id AND (m.account_id = :id OR m.role = 'owner' AND a.disabled_at IS NULL)
ORDER BY m.account_id FOR NO KEY UPDATE OF m;

-- name: change_member
UPDATE membership SET role = :role, disabled_at = :disabled_at WHERE tenant_id = :tenant_id AND account_id = :id;

-- name: end_sign_ins_here
UPDATE sign_in SET ended_at = :now WHERE account_id = :account_id AND tenant_id = :of_tenant AND ended_at IS NULL;

-- name: add_key
INSERT INTO api_key (tenant_id, id, name, start, scopes, created_by, created_at, expires_at)
VALUES (:tenant_id, :id, :name, :start, :scopes::text[], :created_by, :now, :expires_at);

-- name: add_key_route
INSERT INTO key_route (sha256, tenant_id, key_id) VALUES (:sha256, :tenant_id, :key_id);

-- name: key_route
SELECT tenant_id, key_id FROM key_route WHERE sha256 = :sha256;

-- name: keys
SELECT id, name, start, scopes, created_by, created_at, expires_at, last_used_at FROM api_key
WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :most;

-- name: key
SELECT id, name, start, scopes, created_by, created_at, expires_at, last_used_at FROM api_key WHERE tenant_id = :tenant_id AND id = :id;

-- name: usable_key
-- Not that of somebody who was put out of the whole installation, nor an operator's who is none, for as long as that is so.
SELECT k.id, k.name, k.start, k.scopes, k.created_by, k.created_at, k.expires_at, k.last_used_at
FROM api_key k JOIN account a ON a.id = k.created_by AND a.disabled_at IS NULL
WHERE k.tenant_id = :tenant_id AND k.id = :id AND (k.tenant_id <> 0 OR a.is_operator);

-- name: hold_role
-- Who makes a key is at this moment what lets him: whoever takes that from him waits, and drops the key with the others.
SELECT FROM membership WHERE tenant_id = :tenant_id AND account_id = :account_id AND role::text = ANY (:roles::text[])
AND joined_at IS NOT NULL AND disabled_at IS NULL FOR SHARE;

-- name: hold_operator
SELECT FROM account WHERE id = :account_id AND is_operator AND disabled_at IS NULL FOR SHARE;

-- name: drop_keys_of
DELETE FROM api_key WHERE tenant_id = :tenant_id AND created_by = :account_id
RETURNING id, name, start, scopes, created_by, created_at, expires_at, last_used_at;

-- name: touch_key
UPDATE api_key SET last_used_at = :now WHERE tenant_id = :tenant_id AND id = :id AND (last_used_at IS NULL OR last_used_at <= :before);

-- name: drop_key_route
DELETE FROM key_route WHERE key_id = :key_id AND tenant_id = :tenant_id;

-- name: drop_key
DELETE FROM api_key WHERE tenant_id = :tenant_id AND id = :id;

-- name: lock_account
-- Who begins a sign-in by a password alone holds the account: he is done before a second factor counts, or sees that it does.
SELECT FROM account WHERE id = :id FOR NO KEY UPDATE;

-- name: totp
SELECT seed, last_step, active_at IS NOT NULL AS is_active FROM totp WHERE account_id = :account_id;

-- name: factor
SELECT t.active_at IS NOT NULL AS is_active, (SELECT count(*) FROM recovery_code c WHERE c.account_id = t.account_id AND c.used_at IS NULL) AS codes_left
FROM totp t WHERE t.account_id = :account_id;

-- name: put_totp
-- In the place of one that has not counted yet; no row where one does.
INSERT INTO totp (account_id, seed, created_at) VALUES (:account_id, :seed, :now)
ON CONFLICT (account_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at WHERE totp.active_at IS NULL;

-- name: activate_totp
UPDATE totp SET active_at = :now, last_step = :step WHERE account_id = :account_id AND active_at IS NULL;

-- name: put_recovery_codes
INSERT INTO recovery_code (account_id, sha256) SELECT :account_id, c FROM unnest(:sha256s::bytea[]) AS c;

-- name: recovery_code
SELECT used_at FROM recovery_code WHERE account_id = :account_id AND sha256 = :sha256;

-- name: spend_code
-- Each once: whoever comes second with it waits, and finds it spent.
UPDATE totp SET last_step = :step, last_try = :try_id WHERE account_id = :account_id AND (last_step < :step OR last_try = :try_id);

-- name: spend_recovery_code
UPDATE recovery_code SET used_at = :now, last_try = :try_id WHERE account_id = :account_id AND sha256 = :sha256
AND (used_at IS NULL OR last_try = :try_id);

-- name: drop_totp
DELETE FROM totp WHERE account_id = :account_id;

-- name: kept_seeds
SELECT t.account_id AS id, a.email AS name, t.seed AS sealed FROM totp t JOIN account a ON a.id = t.account_id
WHERE t.account_id > :after ORDER BY t.account_id LIMIT :most;

-- name: renew_seeds
UPDATE totp t SET seed = k.new FROM unnest(:ids::uuid[], :olds::bytea[], :news::bytea[]) AS k (id, old, new)
WHERE t.account_id = k.id AND t.seed = k.old;

-- name: name_of
-- What people know a caller by: an address is a name to those who are in the same business.
SELECT coalesce((SELECT coalesce(name, split_part(email, '@', 1)) FROM account WHERE id = :account_id),
                (SELECT name FROM api_key WHERE tenant_id = :tenant_id AND id = :key_id), '') AS name;
