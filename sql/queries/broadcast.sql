-- name: tell
-- A statement of its own: a NOTIFY makes its commit wait for every other one's in the database.
SELECT word FROM unnest(:words::text[]) AS word CROSS JOIN LATERAL pg_notify(:channel, word);

-- name: probe
SELECT 1 AS alive;
