-- An erasure finds the webhook deliveries of what it takes out of the feed.
CREATE INDEX webhook_delivery_place ON webhook_delivery (tenant_id, n) WHERE n IS NOT NULL;

-- Long work that failed waits for a person: he is told of it, and the operator how much there is.
CREATE INDEX job_failed ON job (tenant_id, id) WHERE state = 'failed';

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- How much there is of it, of all tenants together.
CREATE FUNCTION failed_jobs() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*)::int FROM job j WHERE j.state = 'failed'
$$;
REVOKE ALL ON FUNCTION failed_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION failed_jobs TO atendeja_app;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
