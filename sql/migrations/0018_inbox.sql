-- The inbox's lists: whoever wrote last stands first. `window_until` says when that was, a day later; who never wrote stands last.
ALTER TABLE conversation ADD COLUMN listed_at timestamptz NOT NULL
    GENERATED ALWAYS AS (CASE WHEN window_until IS NULL THEN 'epoch'::timestamptz ELSE window_until END) STORED;
-- One for every choice of number, state and owner: a list is the first few of each, put together.
CREATE INDEX conversation_inbox ON conversation (tenant_id, number_id, state, owner, listed_at, id);
CREATE INDEX conversation_queue ON conversation (tenant_id, queue, listed_at, id) WHERE queue IS NOT NULL;
