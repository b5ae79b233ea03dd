-- name: defer
-- The one place that knows Procrastinate's function: the job exists if and only if the transaction that wanted it committed.
SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, :priority, NULL, NULL, :args::jsonb, NULL)::procrastinate_job_to_defer_v1])) AS job_id;
