-- What a business sets itself, what stops it or one of its numbers by hand, and what operators look at.

ALTER TABLE tenant
    ADD COLUMN messages_kept_days integer CHECK (messages_kept_days BETWEEN 1 AND 36500),      -- none: for ever
    ADD COLUMN events_kept_days integer CHECK (events_kept_days BETWEEN 1 AND 36500),          -- and their steps
    ADD COLUMN media_kept_days integer CHECK (media_kept_days BETWEEN 1 AND 36500),
    ADD COLUMN suspended_at timestamptz,           -- since when an operator lets it neither send nor ask
    ADD COLUMN suspended_for text CHECK (suspended_for <> ''),
    ADD CONSTRAINT tenant_suspended CHECK (num_nulls(suspended_at, suspended_for) IN (0, 2));

ALTER TABLE number
    ADD COLUMN paused_at timestamptz,              -- since when somebody of the business lets it not send
    ADD COLUMN paused_for text CHECK (paused_for <> ''),
    ADD COLUMN quality text,                       -- as Meta said it when it was last asked
    ADD COLUMN verified_name text,
    ADD COLUMN checked_at timestamptz,
    ADD CONSTRAINT number_paused CHECK (num_nulls(paused_at, paused_for) IN (0, 2));

-- What operators do to the installation itself is written down under its id 0, which is no tenant's row.
ALTER TABLE audit DROP CONSTRAINT IF EXISTS audit_tenant_id_fkey;

-- The few deliveries that a person has to look at.
CREATE INDEX delivery_quarantined ON delivery (day, seq) WHERE state = 'quarantined';
CREATE INDEX delivery_unrouted ON delivery (day, seq) WHERE unrouted IS NOT NULL;

GRANT SELECT (paused_at) ON number TO atendeja_sweep;
GRANT SELECT (id, suspended_at) ON tenant TO atendeja_sweep;

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Numbers that have a message to send now and may: who should be asked for their lease.
CREATE OR REPLACE FUNCTION due_messages(at timestamptz) RETURNS TABLE (tenant_id bigint, number_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT n.tenant_id, n.id FROM number n JOIN tenant t ON t.id = n.tenant_id AND t.suspended_at IS NULL
    WHERE n.paused_at IS NULL AND (n.stopped_until IS NULL OR n.stopped_until <= at)
      AND EXISTS (SELECT FROM message m WHERE m.tenant_id = n.tenant_id AND m.number_id = n.id AND m.state = 'queued' AND m.not_before <= at)
$$;

-- How much waits for each stage, of all tenants together: numbers, and nobody's.
CREATE FUNCTION work_waiting(at timestamptz) RETURNS TABLE (contacts integer, messages integer, in_doubt integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT (SELECT count(*)::int FROM contact c WHERE c.due_at <= at),
           (SELECT count(*)::int FROM message m WHERE m.state = 'queued' AND m.not_before <= at),
           (SELECT count(*)::int FROM message m WHERE m.state IN ('sending', 'in_doubt'))
$$;
REVOKE ALL ON FUNCTION work_waiting FROM PUBLIC;
GRANT EXECUTE ON FUNCTION work_waiting TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
