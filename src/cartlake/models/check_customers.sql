WITH -- Keys with several events in this batch; most have one.
repeated AS (
  SELECT customer_id, min(_sequence) AS first_at, max(_sequence) AS last_at
  FROM batch_customers_events
  GROUP BY customer_id
  HAVING count(*) > 1
),

-- Every event of the batch beside what was known of its key before; a tie has the same time and other values.
compared AS (
  SELECT
    b.customer_id, b._sequence, b._file_sha256, b._record,
    p.valid_from AS known_from,
    p._sequence AS known_until,
    p._file_sha256 AS tied_file_sha256,
    p._record AS tied_record,
    b._sequence IN (p.valid_from, p._sequence)
      AND (
        b.first_name IS DISTINCT FROM p.first_name
        OR b.last_name IS DISTINCT FROM p.last_name
        OR b.email IS DISTINCT FROM p.email
        OR b.phone IS DISTINCT FROM p.phone
        OR b.date_of_birth IS DISTINCT FROM p.date_of_birth
        OR b.registration_date IS DISTINCT FROM p.registration_date
        OR b.address IS DISTINCT FROM p.address
        OR b.city IS DISTINCT FROM p.city
        OR b.state IS DISTINCT FROM p.state
        OR b.zip_code IS DISTINCT FROM p.zip_code
        OR b.country IS DISTINCT FROM p.country
        OR b.customer_tier IS DISTINCT FROM p.customer_tier
      ) AS is_tie
  FROM batch_customers b
  JOIN previous_customers p ON b.customer_id = p.customer_id
),

known_before AS (
  SELECT
    customer_id,
    min(known_from) AS first_at,
    max(_sequence) > max(known_until) AS is_newer,
    bool_or(is_tie) AS is_tied
  FROM compared
  GROUP BY customer_id
),

numbered_ties AS (
  SELECT
    customer_id, _file_sha256, _record, tied_file_sha256, tied_record,
    row_number() OVER (
      PARTITION BY customer_id ORDER BY _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    ) AS nth
  FROM (
    SELECT customer_id, _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    FROM compared
    WHERE is_tie
    UNION ALL
    SELECT
      a.customer_id, a._sequence, a._file_sha256, a._record,
      z._file_sha256 AS tied_file_sha256,
      z._record AS tied_record
    FROM repeated r
    JOIN batch_customers_events a ON r.customer_id = a.customer_id
    JOIN batch_customers_events z ON a.customer_id = z.customer_id AND a._sequence = z._sequence
    WHERE a._row_hash < z._row_hash
  ) AS pairs
),

ties AS (
  SELECT * FROM numbered_ties WHERE nth = 1
),

-- A delivery whose changed rows keep their times: more keys tie with what came earlier than move past it.
movement AS (
  SELECT count_if(is_tied) >= 10 AND count_if(is_tied) > count_if(is_newer) AS sequence_does_not_move
  FROM known_before
  HAVING count(*) > 0
),

-- Each customer of the batch once.
touched AS (
  SELECT b.customer_id
  FROM batch_customers b
  LEFT JOIN repeated r ON b.customer_id = r.customer_id
  WHERE b._sequence = coalesce(r.last_at, b._sequence)
),

buyers AS (
  SELECT DISTINCT o.customer_id
  FROM known_orders o
  LEFT SEMI JOIN batch_customers b ON o.customer_id = b.customer_id
),

judged AS (
  SELECT
    c.customer_id,
    t._file_sha256,
    t._record,
    t.tied_file_sha256,
    t.tied_record,
    o.customer_id IS NULL AS customer_without_orders,
    t.customer_id IS NOT NULL AS sequence_tie
  FROM touched c
  LEFT JOIN buyers o ON c.customer_id = o.customer_id
  LEFT JOIN ties t ON c.customer_id = t.customer_id
)

SELECT
  'customers' AS feed,
  customer_id,
  _file_sha256,
  _record,
  tied_file_sha256,
  tied_record,
  customer_without_orders,
  sequence_tie,
  CAST(NULL AS boolean) AS sequence_does_not_move
FROM judged
UNION ALL
SELECT
  'customers', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  sequence_does_not_move
FROM movement
