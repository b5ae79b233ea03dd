-- What a caller's Idempotency-Key has brought about: written in the transaction of the change itself, so that there is both or neither.
CREATE TABLE idempotency_key (
    tenant_id bigint NOT NULL,                     -- 0: the installation's
    caller_id uuid NOT NULL,                       -- an account or an API key: keys of different callers never meet
    key text NOT NULL,
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    answer bytea NOT NULL,                         -- sealed: an answer may show a secret once
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, caller_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (tenant_id, created_at);

ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_key TO atendeja_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY owner ON idempotency_key TO atendeja_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO atendeja_app;
