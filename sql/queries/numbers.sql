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
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, token, rate, stopped_until, stopped_code, marketing_until, marketing_code
FROM number WHERE tenant_id = :tenant_id ORDER BY created_at, id;

-- name: by_ids
SELECT id, phone_number_id, waba_id, portfolio_id, display_number, token, rate, stopped_until, stopped_code, marketing_until, marketing_code
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
