-- name: standing
-- Who we are to row security: nothing here may be true, and no role we may become may own a table or bypass a policy. And whether a
-- COMMIT waits for the disk.
SELECT current_user::text AS role, r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
       (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p'))::int AS owner_of,
       current_setting('synchronous_commit') AS synchronous_commit,
       ARRAY(SELECT m.rolname::text FROM pg_roles m WHERE m.oid <> r.oid AND pg_has_role(r.oid, m.oid, 'MEMBER')
             AND (m.rolsuper OR m.rolbypassrls OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = m.oid AND c.relkind IN ('r', 'p')))) AS member_of
FROM pg_roles r WHERE r.rolname = current_user;

-- name: time
-- The time of day that all processes go by.
SELECT clock_timestamp() AS at;
