-- name: add
INSERT INTO audit (tenant_id, id, at, account_id, key_id, action, subject, before, after, address, request_id)
VALUES (:tenant_id, :id, :at, :account_id, :key_id, :action, :subject, :before, :after, :address, :request_id);
