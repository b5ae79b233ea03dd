-- name: store
-- One statement, one commit, any number of waiting requests. Bodies are not read here.
INSERT INTO delivery (day, received_at, lane, body) SELECT :day, :received_at, d.lane, d.body FROM unnest(:lanes::smallint[], :bodies::bytea[]) AS d (lane, body);

-- name: stored
-- The oldest that wait, at most :most and about :most_bytes (at least one). By predicate: a cursor would skip what commits late.
SELECT day, seq, received_at, body FROM (
    SELECT day, seq, received_at, body, sum(octet_length(body)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - octet_length(body) AS before
    FROM (SELECT day, seq, received_at, body FROM delivery WHERE lane = :lane AND state = 'stored' ORDER BY seq LIMIT :most) AS oldest
) AS measured WHERE before < :most_bytes ORDER BY seq;

-- name: digested
-- By the whole key, and not by `state`: on a day that was empty when this was planned, the partial index of what is stored
-- would be walked from its start for every row.
UPDATE delivery d SET state = CASE WHEN n.reason IS NULL THEN 'digested' ELSE 'quarantined' END, reason = n.reason, unrouted = n.unrouted, digested_at = :at
FROM unnest(:days::date[], :seqs::bigint[], :reasons::text[], :unrouteds::jsonb[]) AS n (day, seq, reason, unrouted)
WHERE d.day = n.day AND d.seq = n.seq AND d.digested_at IS NULL;

-- name: days_ahead
SELECT keep_delivery_days(:ahead::int) AS made;

-- name: days_behind
SELECT drop_delivery_days(:keep::int) AS dropped;

-- name: backlog
SELECT count(*)::int AS deliveries, min(received_at) AS oldest FROM delivery WHERE state = 'stored';
