WITH -- Keys with several events in this batch; most have one.
repeated AS (
  SELECT shipping_id, order_id, min(_sequence) AS first_at, max(_sequence) AS last_at
  FROM batch_shipping_events
  GROUP BY shipping_id, order_id
  HAVING count(*) > 1
),

-- Every event of the batch beside what was known of its key before; a tie has the same time and other values.
compared AS (
  SELECT
    b.shipping_id, b.order_id, b._sequence, b._file_sha256, b._record,
    p.valid_from AS known_from,
    p._sequence AS known_until,
    p._file_sha256 AS tied_file_sha256,
    p._record AS tied_record,
    b._sequence IN (p.valid_from, p._sequence)
      AND (
        b.tracking_number IS DISTINCT FROM p.tracking_number
        OR b.carrier IS DISTINCT FROM p.carrier
        OR b.service_type IS DISTINCT FROM p.service_type
        OR b.origin_warehouse IS DISTINCT FROM p.origin_warehouse
        OR b.destination_address IS DISTINCT FROM p.destination_address
        OR b.shipping_cost IS DISTINCT FROM p.shipping_cost
        OR b.currency IS DISTINCT FROM p.currency
        OR b.estimated_delivery IS DISTINCT FROM p.estimated_delivery
        OR b.actual_delivery IS DISTINCT FROM p.actual_delivery
        OR b.shipping_status IS DISTINCT FROM p.shipping_status
        OR b.package_weight IS DISTINCT FROM p.package_weight
        OR b.package_dimensions IS DISTINCT FROM p.package_dimensions
        OR b.insurance_value IS DISTINCT FROM p.insurance_value
      ) AS is_tie
  FROM batch_shipping b
  JOIN previous_shipping p ON b.shipping_id = p.shipping_id AND b.order_id = p.order_id
),

known_before AS (
  SELECT
    shipping_id, order_id,
    min(known_from) AS first_at,
    max(_sequence) > max(known_until) AS is_newer,
    bool_or(is_tie) AS is_tied
  FROM compared
  GROUP BY shipping_id, order_id
),

numbered_ties AS (
  SELECT
    shipping_id, order_id, _file_sha256, _record, tied_file_sha256, tied_record,
    row_number() OVER (
      PARTITION BY shipping_id, order_id ORDER BY _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    ) AS nth
  FROM (
    SELECT shipping_id, order_id, _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    FROM compared
    WHERE is_tie
    UNION ALL
    SELECT
      a.shipping_id, a.order_id, a._sequence, a._file_sha256, a._record,
      z._file_sha256 AS tied_file_sha256,
      z._record AS tied_record
    FROM repeated r
    JOIN batch_shipping_events a ON r.shipping_id = a.shipping_id AND r.order_id = a.order_id
    JOIN batch_shipping_events z ON a.shipping_id = z.shipping_id AND a.order_id = z.order_id AND a._sequence = z._sequence
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

-- Each shipment of the batch once, as its newest event shows it.
newest AS (
  SELECT b.shipping_id, b.order_id, b.shipping_cost
  FROM batch_shipping b
  LEFT JOIN repeated r ON b.shipping_id = r.shipping_id AND b.order_id = r.order_id
  WHERE b._sequence = coalesce(r.last_at, b._sequence)
),

ordered AS (
  SELECT DISTINCT o.order_id
  FROM known_orders o
  LEFT SEMI JOIN batch_shipping b ON o.order_id = b.order_id
),

-- An id that two orders share has different smallest and greatest orders.
shared_ids AS (
  SELECT k.shipping_id
  FROM known_shipping k
  LEFT SEMI JOIN batch_shipping b ON k.shipping_id = b.shipping_id
  GROUP BY k.shipping_id
  HAVING min(k.order_id) <> max(k.order_id)
),

judged AS (
  SELECT
    n.shipping_id,
    n.order_id,
    t._file_sha256,
    t._record,
    t.tied_file_sha256,
    t.tied_record,
    o.order_id IS NULL AS shipping_without_order,
    n.shipping_cost < 0 OR n.shipping_cost > :shipping_cost_max AS shipping_cost_out_of_range,
    s.shipping_id IS NOT NULL AS recycled_id,
    t.shipping_id IS NOT NULL AS sequence_tie
  FROM newest n
  LEFT JOIN ordered o ON n.order_id = o.order_id
  LEFT JOIN shared_ids s ON n.shipping_id = s.shipping_id
  LEFT JOIN ties t ON n.shipping_id = t.shipping_id AND n.order_id = t.order_id
)

SELECT
  'shipping' AS feed,
  shipping_id,
  order_id,
  _file_sha256,
  _record,
  tied_file_sha256,
  tied_record,
  shipping_without_order,
  shipping_cost_out_of_range,
  recycled_id,
  sequence_tie,
  CAST(NULL AS boolean) AS sequence_does_not_move
FROM judged
UNION ALL
SELECT
  'shipping', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  sequence_does_not_move
FROM movement
