-- name: hold_head
-- The end of the chain, locked until the commit; and what was and is since as the database will give it back, for that is what is hashed.
INSERT INTO audit_head (tenant_id, number, hash) VALUES (:tenant_id, 0, :origin)
ON CONFLICT (tenant_id) DO UPDATE SET number = audit_head.number
RETURNING number, hash, :before::jsonb AS before, :after::jsonb AS after;

-- name: add
-- A line and the new end. Repeated whole when it is not known whether it was kept: hence nothing when it was.
WITH line AS (
    INSERT INTO audit (tenant_id, number, hash, id, at, account_id, key_id, action, subject, before, after, address, request_id)
    VALUES (:tenant_id, :number, :hash, :id, :at, :account_id, :key_id, :action, :subject, :before, :after, :address, :request_id)
    ON CONFLICT (tenant_id, id) DO NOTHING RETURNING number, hash
)
UPDATE audit_head h SET number = line.number, hash = line.hash FROM line WHERE h.tenant_id = :tenant_id;

-- name: newest
SELECT number, hash, id, at, account_id, key_id, action, subject, before, after, address, request_id FROM audit
WHERE tenant_id = :tenant_id AND id < :before_id ORDER BY id DESC LIMIT :most;

-- name: head
SELECT number, hash FROM audit_head WHERE tenant_id = :tenant_id;

-- name: chained
-- From the index of the chain's order.
SELECT number, hash, id, at, account_id, key_id, action, subject, before, after, address, request_id FROM audit
WHERE tenant_id = :tenant_id AND number > :after ORDER BY number LIMIT :most;

-- name: unchained
-- An index of the few lines from before there was a chain.
SELECT count(*) AS count FROM audit WHERE tenant_id = :tenant_id AND number IS NULL;
