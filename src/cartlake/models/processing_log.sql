SELECT
  run_id,
  batch_id,
  task,
  attempt,
  started_at,
  ended_at,
  ratio(micros(ended_at) - micros(started_at), 1000000, 3) AS duration_seconds,
  status,
  rows_in,
  rows_staged,
  rows_quarantined,
  rows_duplicate,
  error_code
FROM tasks
