-- name: take
-- Free, run out, or ours from before a restart. The database's clock decides. The term tells a change of hands.
INSERT INTO lease AS l (name, holder, boot, until) VALUES (:name, :holder, :boot, now() + make_interval(secs => :ttl_s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, boot = excluded.boot, until = excluded.until, term = l.term + (l.boot <> excluded.boot)::int
WHERE l.until < now() OR l.holder = excluded.holder RETURNING term;

-- name: renew
-- All leases of a process at once. A name that does not come back has been taken by another, or given back by us.
UPDATE lease l SET until = now() + make_interval(secs => n.ttl_s) FROM unnest(:names::text[], :ttls::float8[]) AS n (name, ttl_s)
WHERE l.boot = :boot AND l.name = n.name AND l.until > '-infinity' RETURNING l.name;

-- name: forget_doors
-- Of processes whose directory is gone for good.
DELETE FROM lease WHERE name LIKE 'door:%' AND until < now() - interval '1 day';

-- name: release
-- All but some. The row stays, with its term.
UPDATE lease SET until = '-infinity' WHERE boot = :boot AND name <> ALL (:kept::text[]);

-- name: give_back
-- This one alone.
UPDATE lease SET until = '-infinity' WHERE boot = :boot AND name = :name;
