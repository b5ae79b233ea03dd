-- Who may use the API: people, and whom of them a business has let in.

CREATE DOMAIN member_role AS text CHECK (VALUE IN ('owner', 'admin', 'agent', 'viewer'));

-- ── system tables: they are asked before it is known for which tenant, and say nothing about anybody's customers ──────────
-- A person may belong to several tenants, and operators to none. Of what somebody shows us (a password, tokens) only hashes lie here:
-- argon2id of what people choose, SHA-256 of our own 256 random bits. A tenant_id in these tables says where something is for.

CREATE TABLE account (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND email <> ''),
    name text,
    password_hash text,                            -- none: was invited, has not come yet
    is_operator boolean NOT NULL DEFAULT false,    -- of the installation: no tenant's member by that
    disabled_at timestamptz,
    created_at timestamptz NOT NULL
);

-- A sign-in with all the tokens that follow from it. Ending it ends them: this is what is asked at each request.
CREATE TABLE sign_in (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id),
    tenant_id bigint NOT NULL,                     -- 0: the installation
    address text NOT NULL,
    network text NOT NULL,                         -- the address as guesses are counted by
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,               -- of the newest refresh token
    ended_at timestamptz
);
CREATE INDEX sign_in_account ON sign_in (account_id);

-- One after the other: each is used once. One that comes again was stolen from one of two, and ends the sign-in of both.
CREATE TABLE refresh_token (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    sign_in_id uuid NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_token_sign_in ON refresh_token (sign_in_id);

-- With this somebody sets a password, or joins a business: the row goes when it is used.
CREATE TABLE one_time_token (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    account_id uuid NOT NULL REFERENCES account (id),
    tenant_id bigint REFERENCES tenant (id),       -- whose member it makes
    resets boolean NOT NULL,                       -- sets a password even where there is one: made on the machine itself only
    grants_operator boolean NOT NULL DEFAULT false, -- what it makes of whoever uses it, not before: somebody else may have the account
    grants_role member_role,
    expires_at timestamptz NOT NULL,
    CHECK (resets OR NOT grants_operator AND grants_role IS NULL)
);
CREATE INDEX one_time_token_account ON one_time_token (account_id);

-- Tries to sign in, by account (a hash of the address that was typed, known or not), by network, and by both.
CREATE TABLE login_throttle (
    key text PRIMARY KEY,
    count integer NOT NULL DEFAULT 0,              -- of failures
    until timestamptz NOT NULL,                    -- no try before
    forget_at timestamptz NOT NULL,
    last_try uuid                                  -- counted once, also when its transaction is repeated
);
CREATE INDEX login_throttle_forget ON login_throttle (forget_at);

GRANT SELECT, INSERT, UPDATE ON account TO atendeja_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in, refresh_token, one_time_token, login_throttle TO atendeja_app;

-- ── tenant tables: whom a business has let in, and what was changed ────────────────────────────────────────────

CREATE TABLE membership (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    account_id uuid NOT NULL,                      -- no foreign key: accounts are no tenant's, and are never deleted
    role member_role NOT NULL,
    invited_at timestamptz NOT NULL,
    joined_at timestamptz,                         -- before it nothing may be done with it
    disabled_at timestamptz,
    PRIMARY KEY (tenant_id, account_id)
);

-- Every change: who, what, before and after without secrets, from where. Append only.
CREATE TABLE audit (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,                              -- in the order of time
    at timestamptz NOT NULL,
    account_id uuid,                               -- neither this nor the key: a command on the machine itself
    key_id uuid,
    action text NOT NULL,
    subject text NOT NULL,                         -- the id of what was changed
    before jsonb,
    after jsonb,
    address text,
    request_id uuid,                               -- under which the log has it
    PRIMARY KEY (tenant_id, id),
    CHECK (num_nonnulls(account_id, key_id) <= 1)
);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['membership', 'audit'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO atendeja_app', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON audit FROM atendeja_app;

-- ── across tenants: at login it is not known yet for which ───────────────────────────────────────────────────────────────

CREATE POLICY sweep ON membership FOR SELECT TO atendeja_sweep USING (true);
GRANT SELECT (tenant_id, account_id, joined_at, disabled_at) ON membership TO atendeja_sweep;

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Where somebody who has proved who he is may sign in. Reads all memberships, some a business: a hash of the password costs more.
CREATE FUNCTION memberships_of(account uuid) RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.tenant_id FROM membership m WHERE m.account_id = account AND m.joined_at IS NOT NULL AND m.disabled_at IS NULL ORDER BY m.tenant_id
$$;
REVOKE ALL ON FUNCTION memberships_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
