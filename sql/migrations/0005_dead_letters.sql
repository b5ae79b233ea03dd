-- Apart from the columns they look at: those want all others out of the table, and an index takes its time.
CREATE INDEX message_dead ON message (tenant_id, created_at, id) WHERE state IN ('failed', 'unknown') AND discarded_at IS NULL;
CREATE INDEX event_dead ON event (tenant_id, received_at, id) WHERE state = 'dead' AND discarded_at IS NULL;
