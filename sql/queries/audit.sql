-- name: add
INSERT INTO audit (tenant_id, id, at, account_id, key_id, action, subject, before, after, address, request_id)
VALUES (:tenant_id, :id, :at, :account_id, :key_id, :action, :subject, :before, :after, :address, :request_id);

-- name: newest
SELECT id, at, account_id, key_id, action, subject, before, after, address, request_id FROM audit
WHERE tenant_id = :tenant_id AND id < :before_id ORDER BY id DESC LIMIT :most;
