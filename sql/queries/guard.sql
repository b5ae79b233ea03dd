-- name: hold
-- Somebody has seen a higher mark of this database than it has: nobody sends from here on. Touches nothing while all is well.
UPDATE guard g SET held_at = coalesce(g.held_at, :now), held_reason = coalesce(g.held_reason, 'lost_commits'), held_mark = coalesce(g.held_mark, g.mark),
       held_arrival = coalesce(g.held_arrival, nextval('arrival')), seen_mark = greatest(g.seen_mark, s.mark)
FROM unnest(:databases::uuid[], :marks::bigint[]) AS s (database, mark) WHERE s.database = g.database AND s.mark > g.mark;

-- name: raise_mark
UPDATE guard SET mark = mark + 1 RETURNING database, mark, held_at, held_reason, held_mark, held_arrival, seen_mark;

-- name: look
SELECT database, mark, held_at, held_reason, held_mark, held_arrival, seen_mark FROM guard;

-- name: release
-- Ends this hold, not one that began since. Far above what was seen: other processes may have seen a little more.
UPDATE guard SET mark = greatest(mark, seen_mark) + :above, held_at = NULL, held_reason = NULL, held_mark = NULL, held_arrival = NULL, seen_mark = NULL
WHERE held_arrival = :arrival;
