-- What goes in a message's place when its window is closed: {category, template}. It is a message of its own, under the same key with the
-- ordinal −1 − n: one at most, and what is known of the first stays.
ALTER TABLE message ADD COLUMN fallback jsonb;

COMMENT ON COLUMN message.source_id IS 'turn: the conversation; campaign: the campaign; api: the idempotency key';
COMMENT ON COLUMN message.source_no IS 'turn: its number; campaign: the number of the recipient in it; else 0';

-- Templates that WhatsApp has stopped, by the codes of its answers: the account's messages of it wait, and one is tried at `until`.
CREATE TABLE template_stop (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    waba_id text NOT NULL,
    name text NOT NULL,
    language text NOT NULL,
    code integer NOT NULL,
    refusals integer NOT NULL,                     -- in a row: each makes the next wait twice as long
    until timestamptz NOT NULL,
    lifted_at timestamptz,                         -- when it went on: one that is stopped again soon is no better than before
    PRIMARY KEY (tenant_id, waba_id, name, language)
);
ALTER TABLE template_stop ENABLE ROW LEVEL SECURITY;
ALTER TABLE template_stop FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON template_stop TO atendeja_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY owner ON template_stop TO atendeja_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON template_stop TO atendeja_app;

-- When the customer last came by an ad or a page's button. Answered within a day, everything is free for three days from that answer.
ALTER TABLE conversation ADD COLUMN entry_at timestamptz;

CREATE VIEW free_entry WITH (security_invoker = true) AS
SELECT v.tenant_id, v.id AS conversation_id, v.entry_at, a.answered_at, a.answered_at + interval '72 hours' AS free_until
FROM conversation v CROSS JOIN LATERAL (
    SELECT min(m.accepted_at) AS answered_at FROM message m
    WHERE m.tenant_id = v.tenant_id AND m.conversation_id = v.id AND m.created_at >= v.entry_at AND m.accepted_at < v.entry_at + interval '24 hours'
) AS a
WHERE v.entry_at IS NOT NULL;
GRANT SELECT ON free_entry TO atendeja_app;
COMMENT ON VIEW free_entry IS 'Conversations in which the customer came by an ad: when, when that was answered, and until when everything is free.';

-- What WhatsApp counts for its bill, a row a message of which it has told. It names no price: that is in Meta's list, by category and country.
CREATE VIEW spend WITH (security_invoker = true) AS
SELECT tenant_id, id AS message_id, number_id, source, source_id, coalesce(delivered_at, read_at, sent_at, accepted_at) AS at,
       pricing->>'category' AS category, pricing->>'type' AS type, pricing->>'pricing_model' AS model, coalesce(pricing->>'billable' = 'true', false) AS billable
FROM message WHERE pricing IS NOT NULL;
GRANT SELECT ON spend TO atendeja_app;
COMMENT ON VIEW spend IS 'Messages that WhatsApp has priced: when, in which category (marketing, utility, authentication, service …), of which type, and whether it is on the bill.';
COMMENT ON COLUMN spend.source_id IS 'Of a campaign: which. Of a turn: the conversation.';
