-- The tables of the path of a message. Words and states: the README's glossary. Rules that tests/test_schema.py holds:
-- every tenant table has tenant_id first in each key, two policies, FORCE row security; no triggers; no grants on partitions.

-- Words that a column may hold. Domains, because a CHECK of a table is read and planned anew by every statement that writes to it:
-- 15 to 30 µs each, more than the row. What a row must be as a whole stays a CHECK.
CREATE DOMAIN delivery_state AS text CHECK (VALUE IN ('stored', 'digested', 'quarantined'));
CREATE DOMAIN conversation_state AS text CHECK (VALUE IN ('open', 'closed'));
CREATE DOMAIN conversation_owner AS text CHECK (VALUE IN ('bot', 'human'));
CREATE DOMAIN event_state AS text CHECK (VALUE IN ('unhandled', 'handled', 'ignored', 'dead'));
CREATE DOMAIN session_state AS text CHECK (VALUE IN ('active', 'waiting', 'ended', 'expired', 'handed_off', 'failed'));
CREATE DOMAIN message_source AS text CHECK (VALUE IN ('turn', 'agent', 'api', 'campaign', 'echo'));
CREATE DOMAIN message_category AS text CHECK (VALUE IN ('service', 'utility', 'authentication', 'marketing'));
CREATE DOMAIN message_policy AS text CHECK (VALUE IN ('at_most_once', 'at_least_once'));
CREATE DOMAIN message_state AS text CHECK (VALUE IN ('queued', 'sending', 'in_doubt', 'unknown', 'withdrawn', 'accepted', 'sent', 'failed', 'delivered', 'read', 'played'));
CREATE DOMAIN attempt_state AS text CHECK (VALUE IN ('claimed', 'accepted', 'refused', 'not_sent', 'abandoned', 'unknown'));

-- ── system tables: no tenant's customer data, read without a tenant ──────────────────────────────────────────────────

CREATE TABLE tenant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    name text NOT NULL CHECK (name <> ''),
    timezone text NOT NULL,
    language text NOT NULL CHECK (language IN ('pt-BR', 'en', 'es')),
    data_key bytea NOT NULL,                       -- 256-bit key, itself encrypted with SECRET_KEY
    created_at timestamptz NOT NULL
);

-- Meta's ids → tenant. One row a phone number, a WhatsApp Business Account and a portfolio: each belongs to one tenant only.
CREATE TABLE number_route (
    kind text NOT NULL CHECK (kind IN ('number', 'waba', 'portfolio')),
    meta_id text NOT NULL CHECK (meta_id <> ''),
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    number_id uuid CHECK ((number_id IS NOT NULL) = (kind = 'number')),
    portfolio_id text CHECK ((portfolio_id IS NOT NULL) = (kind = 'number')),
    PRIMARY KEY (kind, meta_id)
);

-- One sequence gives every thing that reaches us its place, webhooks and our own timers alike.
CREATE SEQUENCE arrival AS bigint;

-- A webhook POST as it came. Mixes tenants, so it is the operator's; loses whole days by DROP (drop_delivery_days).
CREATE TABLE delivery (
    day date NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('arrival'),
    lane smallint NOT NULL,                        -- 0: what people write, strictly in order; 1: nothing but statuses
    received_at timestamptz NOT NULL,
    body bytea NOT NULL,
    state delivery_state NOT NULL DEFAULT 'stored',
    digested_at timestamptz,
    reason text CHECK ((reason IS NOT NULL) = (state = 'quarantined')),
    unrouted jsonb,                                -- [{position, reason, phone_number_id, waba_id}] of items nobody owns
    PRIMARY KEY (day, seq)
) PARTITION BY RANGE (day);
ALTER TABLE delivery ALTER COLUMN body SET STORAGE EXTERNAL;   -- compressing 3 MB costs more than storing it
CREATE INDEX delivery_stored ON delivery (lane, seq) WHERE state = 'stored';
CREATE TABLE delivery_other PARTITION OF delivery DEFAULT;      -- a safety net: an insert must never fail for want of a day

CREATE TABLE lease (
    name text PRIMARY KEY,                         -- digest:0, send:<number id>
    holder uuid NOT NULL,                          -- the installation directory's id: survives a restart
    boot uuid NOT NULL,                            -- this run of the process
    term bigint NOT NULL DEFAULT 1,                -- raised at each change of hands
    until timestamptz NOT NULL
);

-- What each worker is busy with (`turn`), and whom it must run alone because a death named them (`alone`).
CREATE TABLE running (
    boot uuid NOT NULL,                            -- this run of the process
    stage text NOT NULL CHECK (stage IN ('turn', 'alone')),
    holder uuid NOT NULL,                          -- its installation directory's id
    tenant_ids bigint[] NOT NULL,                  -- beside `ids`, one for each
    ids uuid[] NOT NULL,                           -- contacts
    seen_at timestamptz NOT NULL,                  -- raised while the process lives
    PRIMARY KEY (boot, stage)
);

-- A counter raised every 2 s by each process that sends: one lower than somebody has seen means that this database lost commits.
CREATE TABLE guard (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    database uuid NOT NULL DEFAULT gen_random_uuid(),   -- which database this is: a backup and a replica have it too, a new one has another
    mark bigint NOT NULL DEFAULT 0,
    held_at timestamptz,                           -- since when nobody sends
    held_reason text,
    held_mark bigint,                              -- the mark that was found
    held_arrival bigint,                           -- what arrived later than this is new
    seen_mark bigint,                              -- the highest mark that anybody had seen
    CHECK (num_nulls(held_at, held_reason, held_mark, held_arrival, seen_mark) IN (0, 5))
);
INSERT INTO guard DEFAULT VALUES;

-- ── tenant tables ─────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE number (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    phone_number_id text NOT NULL,
    waba_id text NOT NULL,
    portfolio_id text NOT NULL,
    display_number text NOT NULL,
    token bytea NOT NULL,                          -- AES-256-GCM under the tenant's data key
    rate integer NOT NULL DEFAULT 80 CHECK (rate BETWEEN 1 AND 1000),
    stopped_until timestamptz,                     -- sending waits until then after a refusal that concerns the number
    stopped_code integer,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, phone_number_id)
);

CREATE TABLE contact (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    portfolio_id text,                             -- whose business-scoped user id
    user_id text,
    phone text,                                    -- canonical digits (Brazil's ninth digit inserted)
    wa_id text,                                    -- digits as WhatsApp writes them: the address
    name text,
    username text,
    language text,
    tags text[] NOT NULL DEFAULT '{}',
    fields jsonb NOT NULL DEFAULT '{}',
    due_at timestamptz,                            -- when a turn must look at this contact next
    merged_into uuid,                              -- set on the one that was found to be somebody we knew
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, portfolio_id, user_id),
    UNIQUE (tenant_id, phone),
    FOREIGN KEY (tenant_id, merged_into) REFERENCES contact (tenant_id, id),
    CHECK (user_id IS NULL OR portfolio_id IS NOT NULL),
    CHECK (user_id IS NOT NULL OR phone IS NOT NULL OR merged_into IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX contact_due ON contact (tenant_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX contact_merged ON contact (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE conversation (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    contact_id uuid NOT NULL,
    number_id uuid NOT NULL,
    state conversation_state NOT NULL DEFAULT 'open',
    owner conversation_owner NOT NULL DEFAULT 'bot',
    queue text,
    human_at timestamptz CHECK ((human_at IS NOT NULL) = (owner = 'human')),     -- the handoff, or the last word of a person
    taken_at timestamptz,                          -- a person stepped in unasked: what the bot queued before then is withdrawn
    window_until timestamptz,                      -- WhatsApp's 24 h since the customer's last message
    turn_no bigint NOT NULL DEFAULT 0,             -- the last turn
    seq bigint NOT NULL DEFAULT 0,                 -- the last place in the order of service messages
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, contact_id, number_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id),
    FOREIGN KEY (tenant_id, number_id) REFERENCES number (tenant_id, id)
) WITH (fillfactor = 80);

CREATE TABLE event (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    number_id uuid,                                -- none: an account-level event
    contact_id uuid,
    conversation_id uuid,
    key text NOT NULL,                             -- the wamid; a hash for what has no id of its own
    kind text NOT NULL,
    arrival bigint NOT NULL,
    position integer NOT NULL,
    content jsonb NOT NULL,
    sent_at timestamptz NOT NULL,                  -- WhatsApp's time
    received_at timestamptz NOT NULL,
    state event_state NOT NULL,
    reason text CHECK ((reason IS NOT NULL) = (state IN ('ignored', 'dead'))),
    turn_no bigint CHECK ((turn_no IS NOT NULL) = (state = 'handled')),
    tries smallint NOT NULL DEFAULT 0,             -- times it was run alone and failed
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, number_id, key),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id),
    CHECK (state <> 'unhandled' OR conversation_id IS NOT NULL)
) PARTITION BY HASH (tenant_id);
CREATE INDEX event_unhandled ON event (tenant_id, contact_id, arrival, position) WHERE state = 'unhandled';
CREATE INDEX event_timeline ON event (tenant_id, conversation_id, arrival, position);

CREATE TABLE flow (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    key text NOT NULL,
    number_id uuid,                                -- none: answers on every number of the tenant
    published_version_id uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, key, number_id),
    FOREIGN KEY (tenant_id, number_id) REFERENCES number (tenant_id, id)
);

CREATE TABLE flow_version (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    flow_id uuid NOT NULL,
    n integer NOT NULL,
    spec integer NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    definition jsonb NOT NULL,                     -- changes only while status = 'draft' (the one UPDATE says so)
    status text NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
    author text NOT NULL,
    note text,
    created_at timestamptz NOT NULL,
    published_at timestamptz CHECK ((published_at IS NULL) = (status = 'draft')),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, flow_id, n),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES flow (tenant_id, id)
);
ALTER TABLE flow ADD FOREIGN KEY (tenant_id, published_version_id) REFERENCES flow_version (tenant_id, id);

CREATE TABLE flow_session (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    flow_version_id uuid NOT NULL,
    state session_state NOT NULL,
    node text NOT NULL,
    due_at timestamptz,                            -- its next time-out
    tries smallint NOT NULL DEFAULT 0,             -- times its time-out was run alone and did not come to an end
    memory jsonb NOT NULL,                         -- the engine's Session, whole
    started_at timestamptz NOT NULL,
    ended_at timestamptz CHECK ((ended_at IS NULL) = (state IN ('active', 'waiting'))),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id),
    FOREIGN KEY (tenant_id, flow_version_id) REFERENCES flow_version (tenant_id, id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX flow_session_live ON flow_session (tenant_id, conversation_id) WHERE state IN ('active', 'waiting');

-- The trace of a flow session, one row a node visited. Append only.
CREATE TABLE step (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    flow_session_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn_no bigint NOT NULL,
    step_no integer NOT NULL,
    node text NOT NULL,
    trace jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, flow_session_id) REFERENCES flow_session (tenant_id, id)
) PARTITION BY HASH (tenant_id);
CREATE INDEX step_turn ON step (tenant_id, conversation_id, turn_no);

CREATE TABLE message (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    number_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    source message_source NOT NULL,
    source_id uuid NOT NULL,                       -- turn: the conversation; campaign: the recipient; api: the idempotency key
    source_no bigint NOT NULL,                     -- turn: its number; else 0
    ordinal integer NOT NULL,
    category message_category NOT NULL,
    policy message_policy NOT NULL,
    content jsonb NOT NULL,
    content_sha256 bytea NOT NULL,
    seq bigint,                                    -- place among the conversation's service messages; marketing has none
    state message_state NOT NULL,
    reason text CHECK ((reason IS NOT NULL) = (state = 'withdrawn')),
    code integer,                                  -- Meta's, of the last refusal or failure
    detail text,
    held boolean NOT NULL DEFAULT false,           -- accepted for quality assessment
    not_before timestamptz NOT NULL,
    attempt_no integer NOT NULL DEFAULT 0,
    doubt_at timestamptz,                          -- since when nobody knows
    wamid text,                                    -- only of echoes: ours have it on the attempt
    pricing jsonb,
    created_at timestamptz NOT NULL,
    accepted_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    played_at timestamptz,
    failed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source, source_id, source_no, ordinal),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversation (tenant_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id),
    CHECK ((category = 'marketing') <= (policy = 'at_most_once')),
    CHECK (category <> 'marketing' OR seq IS NULL),
    CHECK (state <> 'in_doubt' OR doubt_at IS NOT NULL)
) PARTITION BY HASH (tenant_id);
CREATE INDEX message_queued ON message (tenant_id, number_id, (category = 'marketing'), not_before, id) WHERE state = 'queued';
CREATE INDEX message_unfinished ON message (tenant_id, conversation_id, seq) WHERE state IN ('queued', 'sending', 'in_doubt');
CREATE INDEX message_unsettled ON message (tenant_id, id) WHERE state IN ('sending', 'in_doubt');
CREATE INDEX message_timeline ON message (tenant_id, conversation_id, created_at);
CREATE INDEX message_echo ON message (tenant_id, number_id, wamid) WHERE wamid IS NOT NULL;

CREATE TABLE attempt (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,                              -- 128 random bits: travels in the callback data
    message_id uuid NOT NULL,                      -- no foreign key: checking it against 8 partitions costs 0.27 ms an attempt
    number_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    n integer NOT NULL,
    boot uuid NOT NULL,                            -- the run of the process that made it
    state attempt_state NOT NULL,
    code integer,
    detail text,
    wamid text,
    claimed_at timestamptz NOT NULL,
    first_byte_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, message_id, n),
    UNIQUE (tenant_id, number_id, wamid),
    CHECK (state <> 'accepted' OR wamid IS NOT NULL)
) PARTITION BY HASH (tenant_id);
CREATE INDEX attempt_message ON attempt (tenant_id, message_id);
CREATE INDEX attempt_recent ON attempt (tenant_id, number_id, claimed_at);

-- A status whose message is not ours or not known yet. Joined when the message turns up, dropped after 30 days.
CREATE TABLE status_orphan (
    tenant_id bigint NOT NULL,
    number_id uuid NOT NULL,
    wamid text NOT NULL,
    status text NOT NULL,
    participant text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    content jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number_id, wamid, status, participant),
    FOREIGN KEY (tenant_id, number_id) REFERENCES number (tenant_id, id)
);

-- Who agreed to what, or no longer does: append only, the newest (arrival, position) of a purpose counts.
CREATE TABLE consent (
    tenant_id bigint NOT NULL,
    id uuid NOT NULL,
    contact_id uuid NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL CHECK (state IN ('in', 'out')),
    source text NOT NULL CHECK (source IN ('word', 'flow', 'whatsapp', 'admin', 'merge')),
    evidence jsonb NOT NULL,                       -- wamid, text shown, flow version
    arrival bigint NOT NULL,
    position integer NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id)
);
CREATE INDEX consent_newest ON consent (tenant_id, contact_id, purpose, arrival DESC, position DESC);

-- Messages of this source wait: a campaign on pause, a conversation in somebody's hands.
CREATE TABLE hold (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    source text NOT NULL,
    source_id uuid NOT NULL,
    reason text NOT NULL,
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source, source_id)
);

-- ── partitions, row security, grants ─────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE big text; i integer;
BEGIN
    FOREACH big IN ARRAY ARRAY['event', 'step', 'message', 'attempt'] LOOP
        FOR i IN 0..7 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 8, REMAINDER %s)', big || '_' || i, big, i);
        END LOOP;
    END LOOP;
END $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['number', 'contact', 'conversation', 'event', 'flow', 'flow_version', 'flow_session', 'step',
                             'message', 'attempt', 'status_orphan', 'consent', 'hold'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO atendeja_app', t);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE ON step, consent FROM atendeja_app;       -- append only

GRANT SELECT, INSERT, UPDATE ON tenant, number_route, delivery TO atendeja_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON lease, running TO atendeja_app;
GRANT SELECT, UPDATE ON guard TO atendeja_app;
GRANT SELECT ON migration TO atendeja_app;
GRANT USAGE ON SEQUENCE arrival TO atendeja_app;
DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
             AND c.relname LIKE 'procrastinate%' AND c.relkind IN ('r', 'S') LOOP
        IF t.relkind = 'r' THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO atendeja_app', t.name);
        ELSE
            EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO atendeja_app', t.name);
        END IF;
    END LOOP;
END $$;

-- ── views ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE VIEW timeline WITH (security_invoker = true) AS
SELECT tenant_id, conversation_id, received_at AS at, 'in' AS direction, id, kind, state, content FROM event WHERE conversation_id IS NOT NULL
UNION ALL
SELECT tenant_id, conversation_id, created_at, 'out', id, source, state, content FROM message;
GRANT SELECT ON timeline TO atendeja_app;

CREATE VIEW dead_letter WITH (security_invoker = true) AS
SELECT tenant_id, id, 'message' AS what, state, code, detail AS reason, conversation_id, created_at AS at FROM message WHERE state IN ('failed', 'unknown')
UNION ALL
SELECT tenant_id, id, 'event', state, NULL, reason, conversation_id, received_at FROM event WHERE state = 'dead';
GRANT SELECT ON dead_letter TO atendeja_app;

-- ── rules in one place ────────────────────────────────────────────────────────────────────────────────────────────────

-- A message moves only to a higher rank: a late `delivered` beats `failed`, a late `sent` does not.
CREATE FUNCTION message_rank(state text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE state WHEN 'queued' THEN 0 WHEN 'sending' THEN 1 WHEN 'in_doubt' THEN 2 WHEN 'unknown' THEN 3 WHEN 'withdrawn' THEN 3
               WHEN 'accepted' THEN 4 WHEN 'sent' THEN 5 WHEN 'failed' THEN 6 WHEN 'delivered' THEN 7 WHEN 'read' THEN 8 WHEN 'played' THEN 9 END;

-- Days of `delivery`, made ahead and dropped behind. The one DDL that runs outside a migration, so the owner's.
CREATE FUNCTION keep_delivery_days(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE d date; made integer := 0;
BEGIN
    SET LOCAL lock_timeout = '2s';
    FOR i IN 0..least(ahead, 30) LOOP
        d := (now() AT TIME ZONE 'UTC')::date + i;
        IF to_regclass(format('public.delivery_%s', to_char(d, 'YYYYMMDD'))) IS NULL
           AND NOT EXISTS (SELECT FROM public.delivery_other WHERE day = d) THEN
            EXECUTE format('CREATE TABLE public.delivery_%s PARTITION OF public.delivery FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMMDD'), d, d + 1);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Drops days older than `keep` days in which nothing waits to be digested. Returns how many.
CREATE FUNCTION drop_delivery_days(keep integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE part record; waiting boolean; dropped integer := 0;
BEGIN
    SET LOCAL lock_timeout = '2s';
    FOR part IN SELECT c.relname, to_date(substr(c.relname, 10), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'public.delivery'::regclass AND c.relname ~ '^delivery_\d{8}$' LOOP
        CONTINUE WHEN part.day >= (now() AT TIME ZONE 'UTC')::date - greatest(keep, 1);
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE state = ''stored'')', part.relname) INTO waiting;
        CONTINUE WHEN waiting;
        EXECUTE format('DROP TABLE public.%I', part.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION keep_delivery_days, drop_delivery_days FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_delivery_days, drop_delivery_days TO atendeja_app;
SELECT keep_delivery_days(3);

-- ── across tenants: only these functions, ids only, locking nothing ──────────────────────────────────────────────────

CREATE POLICY sweep ON contact FOR SELECT TO atendeja_sweep USING (true);
CREATE POLICY sweep ON number FOR SELECT TO atendeja_sweep USING (true);
CREATE POLICY sweep ON message FOR SELECT TO atendeja_sweep USING (true);
CREATE POLICY sweep ON attempt FOR SELECT TO atendeja_sweep USING (true);
CREATE POLICY sweep ON status_orphan FOR SELECT TO atendeja_sweep USING (true);
GRANT SELECT (tenant_id, id, due_at) ON contact TO atendeja_sweep;
GRANT SELECT (tenant_id, id, stopped_until) ON number TO atendeja_sweep;
GRANT SELECT (tenant_id, id, number_id, state, category, not_before, doubt_at, attempt_no, wamid) ON message TO atendeja_sweep;
GRANT SELECT (tenant_id, message_id, number_id, n, boot, wamid) ON attempt TO atendeja_sweep;
GRANT SELECT (tenant_id, number_id, wamid) ON status_orphan TO atendeja_sweep;
GRANT SELECT ON lease TO atendeja_sweep;

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Contacts a turn should look at, the longest waiting first.
CREATE FUNCTION due_contacts(at timestamptz, most integer) RETURNS TABLE (tenant_id bigint, contact_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.tenant_id, c.id FROM contact c WHERE c.due_at <= at ORDER BY c.due_at LIMIT most
$$;

-- Numbers that have a message to send now: who should be asked for their lease.
CREATE FUNCTION due_messages(at timestamptz) RETURNS TABLE (tenant_id bigint, number_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT n.tenant_id, n.id FROM number n
    WHERE (n.stopped_until IS NULL OR n.stopped_until <= at)
      AND EXISTS (SELECT FROM message m WHERE m.tenant_id = n.tenant_id AND m.number_id = n.id AND m.state = 'queued' AND m.not_before <= at)
$$;

-- Messages on the wire of a process that does not hold their number's lease any more, and those in doubt since before `doubt_before`.
CREATE FUNCTION unsettled_messages(doubt_before timestamptz, most integer) RETURNS TABLE (tenant_id bigint, message_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.tenant_id, m.id FROM message m
    WHERE (m.state = 'in_doubt' AND m.doubt_at <= doubt_before)
       OR (m.state = 'sending' AND NOT EXISTS (
            SELECT FROM lease l JOIN attempt a ON a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.n = m.attempt_no AND a.boot = l.boot
            WHERE l.name = 'send:' || m.number_id AND l.until > now()))
    LIMIT most
$$;

-- Statuses that came before we knew their message, and now we do.
CREATE FUNCTION known_orphans(most integer) RETURNS TABLE (tenant_id bigint, number_id uuid, wamid text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT o.tenant_id, o.number_id, o.wamid FROM status_orphan o CROSS JOIN LATERAL (
        SELECT FROM attempt a WHERE a.tenant_id = o.tenant_id AND a.number_id = o.number_id AND a.wamid = o.wamid
        UNION ALL
        SELECT FROM message m WHERE m.tenant_id = o.tenant_id AND m.number_id = o.number_id AND m.wamid = o.wamid
        LIMIT 1
    ) AS known LIMIT most
$$;
REVOKE ALL ON FUNCTION due_contacts, due_messages, unsettled_messages, known_orphans FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_contacts, due_messages, unsettled_messages, known_orphans TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
