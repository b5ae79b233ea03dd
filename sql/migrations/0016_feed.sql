-- What happened to a business's things, in an order that a reader can resume from (atendeja/feed). Transactions of all kinds write
-- `feed_new`, whose rows become visible in any order; who reads first moves them to `feed`, numbered. Neither refers to `tenant`: to ask
-- for it would cost each row a lock.

-- One row for a tenant to whom somebody has listened. The lock of whoever numbers.
CREATE TABLE feed_head (
    tenant_id bigint PRIMARY KEY REFERENCES tenant (id),
    last bigint NOT NULL CHECK (last >= 0),        -- the number given last
    floor bigint NOT NULL,                         -- who has read less than to here has missed something
    held boolean NOT NULL,                         -- a webhook wants to hear of everything
    listened_until timestamptz NOT NULL,           -- streams want to, until then at least
    CHECK (floor BETWEEN 0 AND last)
);

CREATE TABLE feed_new (
    tenant_id bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,       -- in the order of writing
    id uuid NOT NULL,
    type text NOT NULL CHECK (type <> ''),
    at timestamptz NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE feed (
    tenant_id bigint NOT NULL,
    n bigint NOT NULL,                             -- in the order of becoming visible
    id uuid NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (tenant_id, n)
);

COMMENT ON COLUMN feed_new.data IS 'pii: what a customer wrote, and who he is to us; until it is numbered';
COMMENT ON COLUMN feed.data IS 'pii: what a customer wrote, and who he is to us; for 7 days';

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['feed_head', 'feed_new', 'feed'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON feed_head TO atendeja_app;
GRANT SELECT, INSERT, DELETE ON feed_new, feed TO atendeja_app;

CREATE POLICY sweep ON feed_head FOR SELECT TO atendeja_sweep USING (true);
CREATE POLICY sweep ON feed_new FOR SELECT TO atendeja_sweep USING (true);
GRANT SELECT ON feed_head TO atendeja_sweep;
GRANT SELECT (tenant_id) ON feed_new TO atendeja_sweep;

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Tenants to whom somebody listens: a row for each who ever did is read.
CREATE FUNCTION feed_audience(at timestamptz) RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT h.tenant_id FROM feed_head h WHERE h.held OR h.listened_until > at
$$;

-- How far these feeds are, and whether something waits to be numbered.
CREATE FUNCTION feed_heads(ids bigint[]) RETURNS TABLE (tenant_id bigint, last bigint, waiting boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT h.tenant_id, h.last, EXISTS (SELECT FROM feed_new f WHERE f.tenant_id = h.tenant_id) FROM feed_head h WHERE h.tenant_id = ANY (ids)
$$;
REVOKE ALL ON FUNCTION feed_audience, feed_heads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_audience, feed_heads TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
