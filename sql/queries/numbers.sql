-- name: claim_route
-- One row an id of Meta's: a second tenant that asks for the same WABA or portfolio changes nothing and is told by `routes`.
INSERT INTO number_route (kind, meta_id, tenant_id, number_id, portfolio_id)
VALUES (:kind, :meta_id, :owner_id, :number_id, :portfolio_id) ON CONFLICT (kind, meta_id) DO NOTHING;

-- name: routes
-- Who owns these ids of Meta's. The primary key answers.
SELECT kind, meta_id, tenant_id, number_id, portfolio_id FROM number_route
WHERE (kind = 'number' AND meta_id = ANY (:phone_number_ids::text[])) OR (kind = 'waba' AND meta_id = ANY (:waba_ids::text[]))
   OR (kind = 'portfolio' AND meta_id = ANY (:portfolio_ids::text[]));

-- name: save
-- Adding a number again changes its token and display, and its rate when one is given, never its owner or its account.
INSERT INTO number (tenant_id, id, phone_number_id, waba_id, portfolio_id, display_number, token, rate, rate_chosen, created_at)
VALUES (:tenant_id, :id, :phone_number_id, :waba_id, :portfolio_id, :display_number, :token, coalesce(:rate::int, :usual), :rate::int IS NOT NULL, :created_at)
ON CONFLICT (tenant_id, phone_number_id) DO UPDATE
SET display_number = excluded.display_number, token = excluded.token, rate = coalesce(:rate::int, number.rate),
    rate_chosen = :rate::int IS NOT NULL OR number.rate_chosen, stopped_until = NULL, stopped_code = NULL,
    marketing_until = NULL, marketing_code = NULL;

-- name: everyone
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, token, rate, stopped_until, stopped_code, marketing_until, marketing_code, paused_for
FROM number WHERE tenant_id = :tenant_id ORDER BY created_at, id;

-- name: by_ids
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, token, rate, stopped_until, stopped_code, marketing_until, marketing_code, paused_for
FROM number WHERE tenant_id = :tenant_id AND id = ANY (:ids::uuid[]);

-- name: stop
-- A refusal that concerns the number: sending waits, the queue is kept, the next try after `until` is the probe.
UPDATE number SET stopped_until = :until, stopped_code = :code WHERE tenant_id = :tenant_id AND id = :id;

-- name: go_on
UPDATE number SET stopped_until = NULL, stopped_code = NULL WHERE tenant_id = :tenant_id AND id = :id AND stopped_code IS NOT NULL;

-- name: raise_rate
UPDATE number SET rate = :rate WHERE tenant_id = :tenant_id AND waba_id = :waba_id AND display_number = :display_number AND NOT rate_chosen
AND rate < :rate RETURNING id;

-- name: stop_marketing
-- A refusal that concerns the number's marketing: it waits, the queue is kept, replies go on.
UPDATE number SET marketing_until = :until, marketing_code = :code WHERE tenant_id = :tenant_id AND id = :id;

-- name: go_on_with_marketing
UPDATE number SET marketing_until = NULL, marketing_code = NULL WHERE tenant_id = :tenant_id AND id = :id AND marketing_code IS NOT NULL;

-- name: listing
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, rate, rate_chosen, stopped_until, stopped_code, marketing_until, marketing_code,
       paused_at, paused_for, quality, verified_name, checked_at, created_at
FROM number WHERE tenant_id = :tenant_id AND id > :after ORDER BY id LIMIT :most;

-- name: shown
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, rate, rate_chosen, stopped_until, stopped_code, marketing_until, marketing_code,
       paused_at, paused_for, quality, verified_name, checked_at, created_at
FROM number WHERE tenant_id = :tenant_id AND id = :id;

-- name: lock
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, rate, rate_chosen, stopped_until, stopped_code, marketing_until, marketing_code,
       paused_at, paused_for, quality, verified_name, checked_at, created_at
FROM number WHERE tenant_id = :tenant_id AND id = :id FOR NO KEY UPDATE;

-- name: change
-- A new token ends what the old one may have stopped.
UPDATE number SET display_number = :display_number, rate = :rate, rate_chosen = :rate_chosen, token = coalesce(:token::bytea, token),
    stopped_until = CASE WHEN :token::bytea IS NULL THEN stopped_until END, stopped_code = CASE WHEN :token::bytea IS NULL THEN stopped_code END,
    marketing_until = CASE WHEN :token::bytea IS NULL THEN marketing_until END, marketing_code = CASE WHEN :token::bytea IS NULL THEN marketing_code END
WHERE tenant_id = :tenant_id AND id = :id;

-- name: pause
UPDATE number SET paused_at = :at, paused_for = :reason WHERE tenant_id = :tenant_id AND id = :id;

-- name: checked
UPDATE number SET quality = :quality, verified_name = :verified_name, checked_at = :now WHERE tenant_id = :tenant_id AND id = :id;

-- name: health
-- Of what waits some are counted, from the index of what is queued.
SELECT (SELECT count(*)::int FROM (SELECT FROM message WHERE tenant_id = :tenant_id AND number_id = :id AND state = 'queued' LIMIT :most) AS q) AS queued,
       (SELECT min(f.not_before) FROM (VALUES (false), (true)) AS k (marketing) CROSS JOIN LATERAL (
            SELECT not_before FROM message WHERE tenant_id = :tenant_id AND number_id = :id AND state = 'queued' AND (category = 'marketing') = k.marketing
            ORDER BY not_before LIMIT 1) AS f) AS due_at,
       (SELECT count(*)::int FROM message WHERE tenant_id = :tenant_id AND number_id = :id AND state IN ('sending', 'in_doubt')) AS sending,
       EXISTS (SELECT FROM lease WHERE name = :lease AND until > now()) AS is_led, g.held_at, t.suspended_for
FROM guard g CROSS JOIN tenant t WHERE t.id = :tenant_id;
