-- Outgoing webhooks: whoever is told by HTTP what happens, and what became of each telling (atendeja/webhooks).

CREATE TABLE webhook (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    url text NOT NULL CHECK (url <> ''),
    description text NOT NULL,
    types text[] NOT NULL,                         -- none: all
    secret bytea NOT NULL,                         -- sealed with the tenant's data key, as the next
    old_secret bytea,
    old_secret_until timestamptz,                  -- signed with both until then
    place bigint NOT NULL,                         -- in the feed: to there its deliveries are made
    failing_since timestamptz,                     -- nothing but failures since
    disabled_at timestamptz,
    disabled_why text CHECK (disabled_why IN ('person', 'gone', 'failing')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL)),
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);

CREATE TABLE webhook_delivery (
    tenant_id bigint NOT NULL,
    webhook_id uuid NOT NULL,
    id uuid NOT NULL,
    n bigint,                                      -- its place in the feed, where what is told lies; none for a test
    event_id uuid NOT NULL,
    type text NOT NULL,
    data jsonb,                                    -- of a test
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    tries int NOT NULL CHECK (tries >= 0),
    due_at timestamptz,
    attempts jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhook (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
    CHECK ((n IS NULL) = (data IS NOT NULL))
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, webhook_id, due_at) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_state ON webhook_delivery (tenant_id, webhook_id, state, id);

COMMENT ON COLUMN webhook_delivery.attempts IS 'pii: the beginning of what receivers answered, who may repeat what they were told; for 7 days';

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['webhook', 'webhook_delivery'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
        EXECUTE format('CREATE POLICY sweep ON %I FOR SELECT TO atendeja_sweep USING (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO atendeja_app', t);
    END LOOP;
END $$;
GRANT SELECT (tenant_id, id, place, disabled_at) ON webhook TO atendeja_sweep;
GRANT SELECT (tenant_id, webhook_id, state, due_at) ON webhook_delivery TO atendeja_sweep;

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Webhooks that have something to be told.
CREATE FUNCTION due_webhooks(at timestamptz) RETURNS TABLE (tenant_id bigint, webhook_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT w.tenant_id, w.id FROM webhook w JOIN feed_head h ON h.tenant_id = w.tenant_id
    WHERE w.disabled_at IS NULL AND (
        w.place < h.last
        OR EXISTS (SELECT FROM feed_new f WHERE f.tenant_id = w.tenant_id)
        OR EXISTS (SELECT FROM webhook_delivery d WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.id AND d.state = 'waiting' AND d.due_at <= at))
$$;
REVOKE ALL ON FUNCTION due_webhooks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_webhooks TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
