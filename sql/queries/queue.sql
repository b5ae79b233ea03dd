-- name: defer
-- The one place that knows Procrastinate's function: the job exists if and only if the transaction that wanted it committed.
SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, :priority, NULL, NULL, :args::jsonb, NULL)::procrastinate_job_to_defer_v1])) AS job_id;

-- name: ghosts
-- Jobs that began long ago and are not over by the table: their end could not be written once, which nobody repeats. Few are `doing`.
SELECT id FROM procrastinate_jobs j WHERE status = 'doing' AND NOT EXISTS (
    SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started' AND e.at > now() - make_interval(secs => :after_s)
);
