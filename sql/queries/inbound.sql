-- name: store
-- One statement, one commit, any number of waiting requests. Bodies are not read here.
INSERT INTO delivery (day, received_at, lane, body) SELECT :day, :received_at, d.lane, d.body FROM unnest(:lanes::smallint[], :bodies::bytea[]) AS d (lane, body);

-- name: next
-- Ends the deliveries that were just digested, and takes the oldest that wait: at most :most and about :most_bytes (at least one). By
-- predicate: a cursor would skip what commits late. What ends here is still `stored` to the look, so it is left out by its place.
-- It is ended by its whole key: on a day that was empty when this was planned, the partial index would be walked for every row.
WITH ended AS (
    UPDATE delivery d SET state = CASE WHEN n.reason IS NULL THEN 'digested' ELSE 'quarantined' END, reason = n.reason, unrouted = n.unrouted, digested_at = :at
    FROM unnest(:days::date[], :seqs::bigint[], :reasons::text[], :unrouteds::jsonb[]) AS n (day, seq, reason, unrouted)
    WHERE d.day = n.day AND d.seq = n.seq AND d.digested_at IS NULL
)
SELECT day, seq, received_at, body FROM (
    SELECT day, seq, received_at, body, sum(octet_length(body)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - octet_length(body) AS before
    FROM (SELECT day, seq, received_at, body FROM delivery WHERE lane = :lane AND state = 'stored' AND seq <> ALL (:seqs::bigint[])
          ORDER BY seq LIMIT :most) AS oldest
) AS measured WHERE before < :most_bytes ORDER BY seq;

-- name: days_ahead
SELECT keep_delivery_days(:ahead::int) AS made;

-- name: days_behind
SELECT drop_delivery_days(:keep::int) AS dropped;

-- name: backlog
-- How far behind we are, and how many processes take webhooks at all.
SELECT count(*)::int AS deliveries, min(received_at) AS oldest, (SELECT count(*)::int FROM lease WHERE name LIKE 'door:%' AND until > now()) AS doors
FROM delivery WHERE state = 'stored';

-- name: newest
-- Without bodies. From the end of the primary key.
SELECT day, seq, received_at, state, reason, digested_at, octet_length(body) AS size, unrouted FROM delivery
WHERE (day, seq) < (:day::date, :seq::bigint) AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date AND received_at >= :since ORDER BY day DESC, seq DESC LIMIT :most;

-- name: newest_digested
SELECT day, seq, received_at, state, reason, digested_at, octet_length(body) AS size, unrouted FROM delivery
WHERE (day, seq) < (:day::date, :seq::bigint) AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date AND received_at >= :since AND state = 'digested'
ORDER BY day DESC, seq DESC LIMIT :most;

-- name: newest_stored
-- The index of what waits, whole: nothing usually does, and then the primary key would be walked to its other end.
WITH waiting AS MATERIALIZED (SELECT day, seq FROM delivery WHERE lane IN (0, 1) AND state = 'stored')
SELECT d.day, d.seq, d.received_at, d.state, d.reason, d.digested_at, octet_length(d.body) AS size, d.unrouted FROM (
    SELECT day, seq FROM waiting WHERE (day, seq) < (:day::date, :seq::bigint) AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date ORDER BY day DESC, seq DESC LIMIT :most
) AS w JOIN delivery d ON d.day = w.day AND d.seq = w.seq WHERE d.received_at >= :since ORDER BY d.day DESC, d.seq DESC;

-- name: newest_quarantined
SELECT day, seq, received_at, state, reason, digested_at, octet_length(body) AS size, unrouted FROM delivery
WHERE (day, seq) < (:day::date, :seq::bigint) AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date AND received_at >= :since AND state = 'quarantined'
ORDER BY day DESC, seq DESC LIMIT :most;

-- name: newest_unrouted
SELECT day, seq, received_at, state, reason, digested_at, octet_length(body) AS size, unrouted FROM delivery
WHERE (day, seq) < (:day::date, :seq::bigint) AND day >= (:since::timestamptz AT TIME ZONE 'UTC')::date AND received_at >= :since AND unrouted IS NOT NULL
ORDER BY day DESC, seq DESC LIMIT :most;

-- name: delivery
SELECT day, seq, received_at, state, reason, digested_at, octet_length(body) AS size, unrouted FROM delivery WHERE day = :day AND seq = :seq;

-- name: body
SELECT body FROM delivery WHERE day = :day AND seq = :seq;

-- name: retry
-- To be read again: one that could not be, or of which something is nobody's. Not what is digested whole.
UPDATE delivery SET state = 'stored', reason = NULL, unrouted = NULL, digested_at = NULL
WHERE day = :day AND seq = :seq AND digested_at IS NOT NULL AND (state = 'quarantined' OR unrouted IS NOT NULL);

-- name: retry_number
-- Some of those with an item of this number that nobody owned. Asked again of each row itself: somebody else may have had it read meanwhile.
UPDATE delivery SET state = 'stored', reason = NULL, unrouted = NULL, digested_at = NULL WHERE (day, seq) IN (
    SELECT day, seq FROM delivery WHERE unrouted IS NOT NULL AND digested_at IS NOT NULL AND seq > :after
    AND unrouted @> jsonb_build_array(jsonb_build_object('phone_number_id', :phone_number_id::text, 'reason', 'unknown_number'))
    ORDER BY seq LIMIT :most
) AND unrouted IS NOT NULL AND digested_at IS NOT NULL RETURNING seq;
