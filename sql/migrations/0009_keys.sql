-- Keys of programs, which belong to a business and not to a person. Only a hash of each lies here: 256 random bits need no more.

-- A key's hash → whose it is, as number_route is for Meta's ids.
CREATE TABLE key_route (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    key_id uuid NOT NULL UNIQUE
);

CREATE TABLE api_key (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    start text NOT NULL,                           -- its first characters, to know it by
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_by uuid NOT NULL,                      -- the account
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,                      -- to the minute
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_key TO atendeja_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY owner ON api_key TO atendeja_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON api_key TO atendeja_app;
GRANT SELECT, INSERT, DELETE ON key_route TO atendeja_app;
