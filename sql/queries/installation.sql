-- name: state
-- How much there is, and how much waits. Each count reads an index of what it counts, or a table of a few rows.
SELECT (SELECT max(version) FROM migration) AS migration, current_setting('server_version') AS postgresql,
       (SELECT count(*)::int FROM tenant) AS tenants, (SELECT count(*)::int FROM tenant WHERE suspended_at IS NOT NULL) AS suspended,
       (SELECT count(*)::int FROM delivery WHERE state = 'stored') AS deliveries, (SELECT min(received_at) FROM delivery WHERE state = 'stored') AS oldest_at,
       (SELECT count(*)::int FROM delivery WHERE state = 'quarantined') AS quarantined, (SELECT count(*)::int FROM delivery WHERE unrouted IS NOT NULL) AS unrouted,
       w.contacts, w.messages, w.in_doubt,
       (SELECT count(*)::int FROM procrastinate_jobs WHERE status = 'todo') AS jobs,
       failed_jobs() + (SELECT count(*)::int FROM procrastinate_jobs WHERE status = 'failed') AS jobs_failed
FROM work_waiting(:now) AS w;

-- name: leases
-- Who does what only one may do, and who takes webhooks; senders are counted, of which there may be many.
SELECT name, holder, boot, until AS until_at FROM lease WHERE until > now() AND name NOT LIKE 'send:%' ORDER BY name;

-- name: senders
SELECT count(*)::int AS senders FROM lease WHERE until > now() AND name LIKE 'send:%';
