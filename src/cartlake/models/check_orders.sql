WITH -- Keys with several events in this batch; most have one.
repeated AS (
  SELECT order_id, order_line, min(_sequence) AS first_at, max(_sequence) AS last_at
  FROM batch_orders_events
  GROUP BY order_id, order_line
  HAVING count(*) > 1
),

-- Every event of the batch beside what was known of its key before; a tie has the same time and other values.
compared AS (
  SELECT
    b.order_id, b.order_line, b._sequence, b._file_sha256, b._record,
    p.valid_from AS known_from,
    p._sequence AS known_until,
    p._file_sha256 AS tied_file_sha256,
    p._record AS tied_record,
    b._sequence IN (p.valid_from, p._sequence)
      AND (
        b.customer_id IS DISTINCT FROM p.customer_id
        OR b.product_id IS DISTINCT FROM p.product_id
        OR b.order_date IS DISTINCT FROM p.order_date
        OR b.quantity IS DISTINCT FROM p.quantity
        OR b.order_amount IS DISTINCT FROM p.order_amount
        OR b.currency IS DISTINCT FROM p.currency
        OR b.payment_method IS DISTINCT FROM p.payment_method
        OR b.shipping_address IS DISTINCT FROM p.shipping_address
        OR b.order_status IS DISTINCT FROM p.order_status
      ) AS is_tie
  FROM batch_orders b
  JOIN previous_orders p ON b.order_id = p.order_id AND b.order_line = p.order_line
),

known_before AS (
  SELECT
    order_id, order_line,
    min(known_from) AS first_at,
    max(_sequence) > max(known_until) AS is_newer,
    bool_or(is_tie) AS is_tied
  FROM compared
  GROUP BY order_id, order_line
),

numbered_ties AS (
  SELECT
    order_id, order_line, _file_sha256, _record, tied_file_sha256, tied_record,
    row_number() OVER (
      PARTITION BY order_id, order_line ORDER BY _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    ) AS nth
  FROM (
    SELECT order_id, order_line, _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    FROM compared
    WHERE is_tie
    UNION ALL
    SELECT
      a.order_id, a.order_line, a._sequence, a._file_sha256, a._record,
      z._file_sha256 AS tied_file_sha256,
      z._record AS tied_record
    FROM repeated r
    JOIN batch_orders_events a ON r.order_id = a.order_id AND r.order_line = a.order_line
    JOIN batch_orders_events z ON a.order_id = z.order_id AND a.order_line = z.order_line AND a._sequence = z._sequence
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

-- Each order line of the batch once, as its newest event shows it. Its order was placed at its first known event.
lines AS (
  SELECT
    b.order_id, b.order_line, b.customer_id, b.product_id, b.quantity, b.order_amount, b.currency,
    least(b._sequence, coalesce(r.first_at, b._sequence), coalesce(k.first_at, b._sequence)) AS ordered_at
  FROM batch_orders b
  LEFT JOIN repeated r ON b.order_id = r.order_id AND b.order_line = r.order_line
  LEFT JOIN known_before k ON b.order_id = k.order_id AND b.order_line = k.order_line
  WHERE b._sequence = coalesce(r.last_at, b._sequence)
),

customer_spans AS (
  SELECT
    customer_id, customer_tier,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from, customer_tier) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from, customer_tier),
      date_start(DATE '2262-01-01')
    ) AS span_to
  FROM known_customers
),

product_spans AS (
  SELECT
    product_id, price, currency, discontinued,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from, price, currency, discontinued) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from, price, currency, discontinued),
      date_start(DATE '2262-01-01')
    ) AS span_to
  FROM known_products
),

shipped AS (
  SELECT DISTINCT s.order_id
  FROM known_shipping s
  LEFT SEMI JOIN batch_orders b ON s.order_id = b.order_id
),

judged AS (
  SELECT
    l.order_id,
    l.order_line,
    l.customer_id,
    l.product_id,
    t._file_sha256,
    t._record,
    t.tied_file_sha256,
    t.tied_record,
    CASE WHEN l.customer_id IS NOT NULL THEN c.customer_id IS NULL END AS order_without_customer,
    CASE WHEN l.product_id IS NOT NULL THEN p.product_id IS NULL END AS order_without_product,
    s.order_id IS NULL AS order_without_shipping,
    l.order_amount < :order_amount_min OR l.order_amount > :order_amount_max AS order_amount_out_of_range,
    CASE
      WHEN coalesce(l.currency, :reporting_currency) = coalesce(p.currency, :reporting_currency)
        THEN abs(l.order_amount - l.quantity * p.price) > 0.01
    END AS order_amount_differs_from_price,
    CASE
      WHEN c.customer_tier = 'premium' THEN l.order_amount < :low_value_premium_max
    END AS low_value_premium_order,
    local_hour(l.ordered_at, :business_timezone) < :open_hour
      OR local_hour(l.ordered_at, :business_timezone) > :close_hour AS order_outside_business_hours,
    p.discontinued AS discontinued_product_ordered,
    t.order_id IS NOT NULL AS sequence_tie
  FROM lines l
  LEFT JOIN customer_spans c
    ON l.customer_id = c.customer_id AND l.ordered_at >= c.span_from AND l.ordered_at < c.span_to
  LEFT JOIN product_spans p
    ON l.product_id = p.product_id AND l.ordered_at >= p.span_from AND l.ordered_at < p.span_to
  LEFT JOIN shipped s ON l.order_id = s.order_id
  LEFT JOIN ties t ON l.order_id = t.order_id AND l.order_line = t.order_line
)

SELECT
  'orders' AS feed,
  order_id,
  order_line,
  customer_id,
  product_id,
  _file_sha256,
  _record,
  tied_file_sha256,
  tied_record,
  order_without_customer,
  order_without_product,
  order_without_shipping,
  order_amount_out_of_range,
  order_amount_differs_from_price,
  low_value_premium_order,
  order_outside_business_hours,
  discontinued_product_ordered,
  sequence_tie,
  CAST(NULL AS boolean) AS sequence_does_not_move
FROM judged
UNION ALL
SELECT
  'orders', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  sequence_does_not_move
FROM movement
