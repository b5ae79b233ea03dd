-- A business that is suspended tells nobody anything: its webhooks are not due until it goes on.

GRANT CREATE ON SCHEMA public TO atendeja_sweep;
SET LOCAL ROLE atendeja_sweep;

-- Webhooks that have something to be told, of businesses that may tell it.
CREATE OR REPLACE FUNCTION due_webhooks(at timestamptz) RETURNS TABLE (tenant_id bigint, webhook_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT w.tenant_id, w.id FROM webhook w JOIN feed_head h ON h.tenant_id = w.tenant_id JOIN tenant t ON t.id = w.tenant_id AND t.suspended_at IS NULL
    WHERE w.disabled_at IS NULL AND (
        w.place < h.last
        OR EXISTS (SELECT FROM feed_new f WHERE f.tenant_id = w.tenant_id)
        OR EXISTS (SELECT FROM webhook_delivery d WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.id AND d.state = 'waiting' AND d.due_at <= at))
$$;

SET LOCAL ROLE atendeja_owner;
REVOKE CREATE ON SCHEMA public FROM atendeja_sweep;
