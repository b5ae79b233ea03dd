-- name: append
INSERT INTO consent (tenant_id, id, contact_id, purpose, state, source, evidence, arrival, position, at)
SELECT :tenant_id, c.id, c.contact_id, c.purpose, c.state, c.source, c.evidence, coalesce(c.arrival, nextval('arrival')), c.position, c.at
FROM unnest(:ids::uuid[], :contact_ids::uuid[], :purposes::text[], :states::text[], :sources::text[], :evidences::jsonb[],
       :arrivals::bigint[], :positions::int[], :ats::timestamptz[]) AS c (id, contact_id, purpose, state, source, evidence, arrival, position, at);

-- name: newest
SELECT DISTINCT ON (contact_id, purpose) contact_id, purpose, state FROM consent
WHERE tenant_id = :tenant_id AND contact_id = ANY (:contact_ids::uuid[])
ORDER BY contact_id, purpose, arrival DESC, position DESC, id DESC;

-- name: carry
-- A merge takes over what the other had said, in its place: they are one person, whose newest word counts.
INSERT INTO consent (tenant_id, id, contact_id, purpose, state, source, evidence, arrival, position, at)
SELECT tenant_id, gen_random_uuid(), :winner_id, purpose, state, 'merge', jsonb_build_object('from', contact_id, 'consent', id), arrival, position, at
FROM consent WHERE tenant_id = :tenant_id AND contact_id = :loser_id;

-- name: history
SELECT id, purpose, state, source, evidence, at, arrival, position FROM consent
WHERE tenant_id = :tenant_id AND contact_id = :contact_id AND (arrival, position, id) < (:arrival, :position, :before_id)
ORDER BY arrival DESC, position DESC, id DESC LIMIT :most;
