-- The audit log as a chain: each line carries the hash of the line before it and of itself, so that a line that was changed, taken out
-- or put in later does not fit. And what operators do is in it, under the installation's own id 0, which is no tenant's row.

ALTER TABLE audit DROP CONSTRAINT audit_tenant_id_fkey;
ALTER TABLE audit ADD COLUMN number bigint;        -- its place in the chain, from 1; none: from before there was one
ALTER TABLE audit ADD COLUMN hash bytea;           -- SHA-256 over the hash before and all other columns
ALTER TABLE audit ADD CONSTRAINT audit_chained CHECK (number > 0 AND length(hash) = 32 AND num_nulls(number, hash) = 0) NOT VALID;
CREATE UNIQUE INDEX audit_number ON audit (tenant_id, number);

-- The end of each chain, which whoever adds to it locks, as the last thing in his transaction.
CREATE TABLE audit_head (
    tenant_id bigint PRIMARY KEY,                  -- 0: the installation
    number bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 50);

ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_head TO atendeja_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY owner ON audit_head TO atendeja_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON audit_head TO atendeja_app;
