-- name: take
-- Free, run out, or ours from before a restart. The database's clock decides.
INSERT INTO lease AS l (name, holder, boot, until) VALUES (:name, :holder, :boot, now() + make_interval(secs => :ttl_s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, boot = excluded.boot, until = excluded.until, term = l.term + 1
WHERE l.until < now() OR l.holder = excluded.holder RETURNING term;

-- name: renew
-- All leases of a process at once. A name that does not come back has been taken by another.
UPDATE lease SET until = now() + make_interval(secs => :ttl_s) WHERE boot = :boot AND name = ANY (:names::text[]) RETURNING name;

-- name: drop
DELETE FROM lease WHERE boot = :boot;
