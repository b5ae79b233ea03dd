-- What people ask for by its state: what did not arrive. Not what waits or is on its way: the statements of the sender ask for that, and have
-- indexes of their own.
CREATE INDEX message_trouble ON message (tenant_id, state, id) WHERE state IN ('unknown', 'withdrawn', 'failed');
