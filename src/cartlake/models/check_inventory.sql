WITH -- Keys with several events in this batch; most have one.
repeated AS (
  SELECT product_id, warehouse_id, min(_sequence) AS first_at, max(_sequence) AS last_at
  FROM batch_inventory_events
  GROUP BY product_id, warehouse_id
  HAVING count(*) > 1
),

-- Every event of the batch beside what was known of its key before; a tie has the same time and other values.
compared AS (
  SELECT
    b.product_id, b.warehouse_id, b._sequence, b._file_sha256, b._record,
    p.valid_from AS known_from,
    p._sequence AS known_until,
    p._file_sha256 AS tied_file_sha256,
    p._record AS tied_record,
    b._sequence IN (p.valid_from, p._sequence)
      AND (
        b.inventory_id IS DISTINCT FROM p.inventory_id
        OR b.warehouse_name IS DISTINCT FROM p.warehouse_name
        OR b.location IS DISTINCT FROM p.location
        OR b.stock_quantity IS DISTINCT FROM p.stock_quantity
        OR b.reserved_quantity IS DISTINCT FROM p.reserved_quantity
        OR b.available_quantity IS DISTINCT FROM p.available_quantity
        OR b.reorder_level IS DISTINCT FROM p.reorder_level
        OR b.last_restocked IS DISTINCT FROM p.last_restocked
        OR b.last_audit IS DISTINCT FROM p.last_audit
      ) AS is_tie
  FROM batch_inventory b
  JOIN previous_inventory p ON b.product_id = p.product_id AND b.warehouse_id = p.warehouse_id
),

known_before AS (
  SELECT
    product_id, warehouse_id,
    min(known_from) AS first_at,
    max(_sequence) > max(known_until) AS is_newer,
    bool_or(is_tie) AS is_tied
  FROM compared
  GROUP BY product_id, warehouse_id
),

numbered_ties AS (
  SELECT
    product_id, warehouse_id, _file_sha256, _record, tied_file_sha256, tied_record,
    row_number() OVER (
      PARTITION BY product_id, warehouse_id ORDER BY _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    ) AS nth
  FROM (
    SELECT product_id, warehouse_id, _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    FROM compared
    WHERE is_tie
    UNION ALL
    SELECT
      a.product_id, a.warehouse_id, a._sequence, a._file_sha256, a._record,
      z._file_sha256 AS tied_file_sha256,
      z._record AS tied_record
    FROM repeated r
    JOIN batch_inventory_events a ON r.product_id = a.product_id AND r.warehouse_id = a.warehouse_id
    JOIN batch_inventory_events z ON a.product_id = z.product_id AND a.warehouse_id = z.warehouse_id AND a._sequence = z._sequence
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

-- Each position of the batch once, as its newest event shows it.
positions AS (
  SELECT b.product_id, b.warehouse_id, b.inventory_id
  FROM batch_inventory b
  LEFT JOIN repeated r ON b.product_id = r.product_id AND b.warehouse_id = r.warehouse_id
  WHERE b._sequence = coalesce(r.last_at, b._sequence)
),

carried AS (
  SELECT DISTINCT p.product_id
  FROM known_products p
  LEFT SEMI JOIN batch_inventory b ON p.product_id = b.product_id
),

-- An id that two products share has different smallest and greatest products.
shared_ids AS (
  SELECT k.inventory_id
  FROM known_inventory k
  LEFT SEMI JOIN batch_inventory b ON k.inventory_id = b.inventory_id
  GROUP BY k.inventory_id
  HAVING min(k.product_id) <> max(k.product_id)
),

judged AS (
  SELECT
    i.product_id,
    i.warehouse_id,
    i.inventory_id,
    t._file_sha256,
    t._record,
    t.tied_file_sha256,
    t.tied_record,
    p.product_id IS NULL AS inventory_without_product,
    CASE WHEN i.inventory_id IS NOT NULL THEN s.inventory_id IS NOT NULL END AS recycled_id,
    t.product_id IS NOT NULL AS sequence_tie
  FROM positions i
  LEFT JOIN carried p ON i.product_id = p.product_id
  LEFT JOIN shared_ids s ON i.inventory_id = s.inventory_id
  LEFT JOIN ties t ON i.product_id = t.product_id AND i.warehouse_id = t.warehouse_id
)

SELECT
  'inventory' AS feed,
  product_id,
  warehouse_id,
  inventory_id,
  _file_sha256,
  _record,
  tied_file_sha256,
  tied_record,
  inventory_without_product,
  recycled_id,
  sequence_tie,
  CAST(NULL AS boolean) AS sequence_does_not_move
FROM judged
UNION ALL
SELECT
  'inventory', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  sequence_does_not_move
FROM movement
