-- A number whose marketing WhatsApp has stopped (131048, 131063, 131064): replies go on. The next try after `marketing_until` is the
-- probe; what it brings decides. `rate_chosen`: somebody gave its rate, or it is in coexistence, and it stays what it is.
ALTER TABLE number
    ADD COLUMN marketing_until timestamptz,
    ADD COLUMN marketing_code integer,
    ADD COLUMN rate_chosen boolean NOT NULL DEFAULT false;

-- Dead letters: when a person had one tried again, and when one let it be; what became of it stays as it is.
ALTER TABLE message ADD COLUMN discarded_at timestamptz, ADD COLUMN replayed_at timestamptz;
ALTER TABLE event ADD COLUMN discarded_at timestamptz;

CREATE OR REPLACE VIEW dead_letter WITH (security_invoker = true) AS
SELECT tenant_id, id, 'message' AS what, state, code, detail AS reason, conversation_id, created_at AS at FROM message
WHERE state IN ('failed', 'unknown') AND discarded_at IS NULL
UNION ALL
SELECT tenant_id, id, 'event', state, NULL, reason, conversation_id, received_at FROM event WHERE state = 'dead' AND discarded_at IS NULL;
