-- What the planner believes of tables that are still empty. A statement is planned once per connection; without statistics it
-- takes a tenant for seven rows and walks all of them where the primary key would do, and keeps doing so while the table
-- grows (turn.facts: 21 ms instead of 1). So each table is filled with what a small installation looks like, measured, and
-- emptied again: TRUNCATE leaves the statistics. The first ANALYZE of real rows replaces them. Two tenants for the plain tables,
-- so that a tenant looks large; many for the partitioned ones, so that each partition has some.

DO $$
BEGIN
    IF EXISTS (SELECT FROM tenant) THEN
        RAISE EXCEPTION 'this database has tenants already: it will not be emptied';
    END IF;
END $$;

CREATE FUNCTION pg_temp.seed(first integer, last integer, contacts integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tenant (id, slug, name, timezone, language, data_key, created_at) OVERRIDING SYSTEM VALUE
        SELECT -t, 'seed-' || t, 'seed', 'UTC', 'en', '', now() FROM generate_series(first, last) AS t;
    INSERT INTO number (tenant_id, id, phone_number_id, waba_id, portfolio_id, display_number, token, created_at)
        SELECT id, gen_random_uuid(), id::text, '', '', '', '', now() FROM tenant WHERE id BETWEEN -last AND -first;
    INSERT INTO contact (tenant_id, id, portfolio_id, user_id, phone, wa_id, created_at)
        SELECT t.id, gen_random_uuid(), 'seed', 'BR.' || n, n::text, n::text, now() FROM tenant t, generate_series(1, contacts) AS n WHERE t.id BETWEEN -last AND -first;
    INSERT INTO conversation (tenant_id, id, contact_id, number_id, created_at)
        SELECT c.tenant_id, gen_random_uuid(), c.id, n.id, now() FROM contact c JOIN number n USING (tenant_id) WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO event (tenant_id, id, number_id, contact_id, conversation_id, key, kind, arrival, position, content, sent_at, received_at, state, turn_no)
        SELECT v.tenant_id, gen_random_uuid(), v.number_id, v.contact_id, v.id, gen_random_uuid()::text, 'text', n, 0, '{}', now(), now(), 'handled', 1
        FROM conversation v, generate_series(1, 2) AS n WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO flow (tenant_id, id, key, created_at) SELECT id, gen_random_uuid(), 'seed', now() FROM tenant WHERE id BETWEEN -last AND -first;
    INSERT INTO flow_version (tenant_id, id, flow_id, n, spec, sha256, definition, status, author, created_at)
        SELECT tenant_id, gen_random_uuid(), id, 1, 1, repeat('0', 64), '{}', 'draft', 'seed', now() FROM flow WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO flow_session (tenant_id, id, conversation_id, flow_version_id, state, node, memory, started_at)
        SELECT v.tenant_id, gen_random_uuid(), v.id, f.id, 'waiting', 'seed', '{}', now() FROM conversation v JOIN flow_version f USING (tenant_id)
        WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO step (tenant_id, id, flow_session_id, conversation_id, turn_no, step_no, node, trace, at)
        SELECT s.tenant_id, gen_random_uuid(), s.id, s.conversation_id, n, n, 'seed', '{}', now() FROM flow_session s, generate_series(1, 2) AS n
        WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal, category, policy, content, content_sha256,
                         seq, state, not_before, created_at)
        SELECT v.tenant_id, gen_random_uuid(), v.number_id, v.contact_id, v.id, 'turn', v.id, n, 0, 'service', 'at_least_once', '{}', '', n,
               CASE WHEN random() < 0.01 THEN 'queued' ELSE 'read' END, now(), now()
        FROM conversation v, generate_series(1, 2) AS n WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, wamid, claimed_at)
        SELECT tenant_id, gen_random_uuid(), id, number_id, contact_id, 1, gen_random_uuid(), 'accepted', id::text, now() FROM message
        WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO status_orphan (tenant_id, number_id, wamid, status, at, content, received_at)
        SELECT tenant_id, number_id, id::text, 'sent', now(), '{}', now() FROM event WHERE tenant_id BETWEEN -last AND -first;
    INSERT INTO consent (tenant_id, id, contact_id, purpose, state, source, evidence, arrival, position, at)
        SELECT tenant_id, gen_random_uuid(), id, 'marketing', 'out', 'word', '{}', 0, 0, now() FROM contact WHERE tenant_id BETWEEN -last AND -first;
END $$;

SELECT pg_temp.seed(1, 2, 1000);
ANALYZE tenant, number, contact, conversation, flow, flow_version, flow_session, status_orphan, consent;
SELECT pg_temp.seed(3, 50, 50);
ANALYZE event, step, message, attempt;
TRUNCATE tenant, number_route, number, contact, conversation, event, flow, flow_version, flow_session, step, message, attempt, status_orphan, consent, hold;
