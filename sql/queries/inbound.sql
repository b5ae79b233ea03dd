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
