-- What people ask for by its state: what did not arrive, and what waits. What went well is most of the table, and in no such index.
CREATE INDEX message_trouble ON message (tenant_id, state, id) WHERE state IN ('queued', 'sending', 'in_doubt', 'unknown', 'withdrawn', 'failed');
