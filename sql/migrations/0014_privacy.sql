-- Long work as something that can be looked at; what a person may ask of a business: his data, and to be forgotten.

CREATE DOMAIN job_state AS text CHECK (VALUE IN ('queued', 'running', 'done', 'failed', 'cancelled'));

CREATE TABLE job (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,                              -- in the order of time
    kind text NOT NULL,
    subject uuid,                                  -- whom or what it is about
    state job_state NOT NULL DEFAULT 'queued',
    may_stop boolean NOT NULL,                     -- whether it may be cancelled once it runs
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    place jsonb,                                   -- where it goes on after a death; nothing when it is over
    result jsonb,
    error text,
    tries smallint NOT NULL DEFAULT 0,             -- begun without coming any further
    account_id uuid,                               -- whose wish it was: neither this nor the key is a command's
    key_id uuid,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz CHECK ((ended_at IS NULL) = (state IN ('queued', 'running'))),
    expires_at timestamptz,                        -- until when its file is kept
    PRIMARY KEY (tenant_id, id),
    CHECK (state <> 'done' OR result IS NOT NULL),
    CHECK (num_nonnulls(account_id, key_id) <= 1)
);
CREATE UNIQUE INDEX job_running ON job (tenant_id, kind) WHERE state = 'running';
CREATE UNIQUE INDEX job_wanted ON job (tenant_id, kind, subject) NULLS NOT DISTINCT WHERE state IN ('queued', 'running');
CREATE INDEX job_expiring ON job (tenant_id, expires_at) WHERE expires_at IS NOT NULL;

-- A contact that was forgotten: the row stays for what is counted, and nothing in it says who it was.
ALTER TABLE contact ADD COLUMN erased_at timestamptz;
ALTER TABLE contact DROP CONSTRAINT contact_check1;
ALTER TABLE contact ADD CHECK (user_id IS NOT NULL OR phone IS NOT NULL OR merged_into IS NOT NULL OR erased_at IS NOT NULL);
ALTER TABLE contact ADD CHECK (erased_at IS NULL OR num_nonnulls(portfolio_id, user_id, phone, wa_id, name, username, language, due_at) = 0);

-- What stays of who said no: a keyed hash of his number or id. Who is met anew under it has still said no.
CREATE TABLE tombstone (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    refused text[] NOT NULL,                       -- purposes
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
ALTER TABLE consent DROP CONSTRAINT consent_source_check;
ALTER TABLE consent ADD CHECK (source IN ('word', 'flow', 'whatsapp', 'admin', 'merge', 'tombstone'));

-- Events of a person outside of every conversation: few.
CREATE INDEX event_aside ON event (tenant_id, contact_id) WHERE conversation_id IS NULL AND contact_id IS NOT NULL;
CREATE INDEX flow_session_conversation ON flow_session (tenant_id, conversation_id);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['job', 'tombstone'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO atendeja_app', t);
    END LOOP;
END $$;

-- ── what the application itself may only append to, and gives up when somebody is to be forgotten ───────────────────────────

-- The steps of these conversations' flow sessions, and the consents of these contacts: of the tenant that is set, and of nobody without one.
CREATE FUNCTION erase_records(conversations uuid[], contacts uuid[]) RETURNS TABLE (steps integer, consents integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE tenant bigint := nullif(current_setting('app.tenant_id', true), '')::bigint;
BEGIN
    IF tenant IS NULL THEN RAISE EXCEPTION 'no tenant'; END IF;
    DELETE FROM public.step WHERE tenant_id = tenant AND conversation_id = ANY (conversations);
    GET DIAGNOSTICS steps = ROW_COUNT;
    DELETE FROM public.consent WHERE tenant_id = tenant AND contact_id = ANY (contacts);
    GET DIAGNOSTICS consents = ROW_COUNT;
    RETURN NEXT;
END $$;

-- Raw deliveries of a day, named by their places, that have been read: theirs is no tenant, so whoever calls has looked at what they hold.
CREATE FUNCTION erase_deliveries(of_day date, seqs bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE erased integer;
BEGIN
    DELETE FROM public.delivery WHERE day = of_day AND seq = ANY (seqs) AND state <> 'stored';
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
REVOKE ALL ON FUNCTION erase_records, erase_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_records, erase_deliveries TO atendeja_app;

-- ── across tenants ───────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE POLICY sweep ON job FOR SELECT TO atendeja_sweep USING (true);
GRANT SELECT (tenant_id, kind, state) ON job TO atendeja_sweep;
GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Where there is long work to be done, or to be gone on with: by the index of what is wanted, which holds nothing else.
CREATE FUNCTION waiting_jobs() RETURNS TABLE (tenant_id bigint, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT j.tenant_id, j.kind FROM job j WHERE j.state IN ('queued', 'running')
$$;
REVOKE ALL ON FUNCTION waiting_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION waiting_jobs TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;

-- ── what is somebody's: each such column says so, and what tests/privacy asks of every table is that it is known ────────────────

DO $$
DECLARE c record;
BEGIN
    FOR c IN SELECT * FROM (VALUES
        ('contact', 'user_id', 'WhatsApp''s id of a person'), ('contact', 'phone', 'a telephone number'), ('contact', 'wa_id', 'a telephone number'),
        ('contact', 'name', 'a name'), ('contact', 'username', 'a name'), ('contact', 'language', 'what a person speaks'),
        ('contact', 'tags', 'what a business notes of a person'), ('contact', 'fields', 'what a business notes of a person'),
        ('contact_term', 'term', 'names, numbers, notes, as they are looked for'), ('event', 'key', 'wamids hold a telephone number'),
        ('event', 'content', 'what a person said'), ('flow_session', 'memory', 'what a person said'), ('step', 'trace', 'what a person said'),
        ('message', 'content', 'what a person was told'), ('message', 'content_sha256', 'of what a person was told'), ('message', 'detail', 'WhatsApp''s words'),
        ('message', 'fallback', 'what a person was told'), ('message', 'wamid', 'holds a telephone number'), ('attempt', 'wamid', 'holds a telephone number'),
        ('attempt', 'detail', 'WhatsApp''s words'), ('status_orphan', 'wamid', 'holds a telephone number'), ('status_orphan', 'participant', 'a telephone number'),
        ('status_orphan', 'content', 'of a message to a person'), ('consent', 'evidence', 'what a person was shown and said'),
        ('delivery', 'body', 'all that WhatsApp told'), ('delivery', 'unrouted', 'ids of numbers'), ('idempotency_key', 'answer', 'what a client was shown, sealed'),
        ('job', 'place', 'by what an erasure finds raw deliveries, until it is done'), ('tombstone', 'hash', 'a keyed hash of a number or an id'),
        ('account', 'email', 'of who works here'), ('account', 'name', 'of who works here'), ('sign_in', 'address', 'of who works here'),
        ('sign_in', 'network', 'of who works here'), ('audit', 'address', 'of who works here'), ('login_throttle', 'key', 'hashes of addresses and networks')
    ) AS said (t, col, what) LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', c.t, c.col, 'pii: ' || c.what);
    END LOOP;
END $$;
