-- A second factor for who wants one (RFC 6238), and when a sign-in last proved who it is.

-- System tables, as account is: they are asked before it is known for which tenant.
CREATE TABLE totp (
    account_id uuid PRIMARY KEY REFERENCES account (id),
    seed bytea NOT NULL,                           -- AES-256-GCM under a key of SECRET_KEY's
    active_at timestamptz,                         -- before its first right code it is asked for nowhere
    last_step bigint NOT NULL DEFAULT 0,           -- the half minute of the last code that was taken: none is taken twice
    last_try uuid,                                 -- by which it was: once, also when its transaction is repeated
    created_at timestamptz NOT NULL
);

-- Instead of a code, each once.
CREATE TABLE recovery_code (
    account_id uuid NOT NULL REFERENCES totp (account_id) ON DELETE CASCADE,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    used_at timestamptz,
    last_try uuid,
    PRIMARY KEY (account_id, sha256)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON totp, recovery_code TO atendeja_app;

ALTER TABLE sign_in ADD COLUMN proved_at timestamptz;   -- by the password, and the second factor where there is one
UPDATE sign_in SET proved_at = started_at;
ALTER TABLE sign_in ALTER COLUMN proved_at SET NOT NULL;
