WITH -- Keys with several events in this batch; most have one.
repeated AS (
  SELECT product_id, min(_sequence) AS first_at, max(_sequence) AS last_at
  FROM batch_products_events
  GROUP BY product_id
  HAVING count(*) > 1
),

-- Every event of the batch beside what was known of its key before; a tie has the same time and other values.
compared AS (
  SELECT
    b.product_id, b._sequence, b._file_sha256, b._record,
    p.valid_from AS known_from,
    p._sequence AS known_until,
    p._file_sha256 AS tied_file_sha256,
    p._record AS tied_record,
    b._sequence IN (p.valid_from, p._sequence)
      AND (
        b.product_name IS DISTINCT FROM p.product_name
        OR b.category IS DISTINCT FROM p.category
        OR b.subcategory IS DISTINCT FROM p.subcategory
        OR b.brand IS DISTINCT FROM p.brand
        OR b.price IS DISTINCT FROM p.price
        OR b.currency IS DISTINCT FROM p.currency
        OR b.stock_quantity IS DISTINCT FROM p.stock_quantity
        OR b.weight_kg IS DISTINCT FROM p.weight_kg
        OR b.dimensions_cm IS DISTINCT FROM p.dimensions_cm
        OR b.color IS DISTINCT FROM p.color
        OR b.material IS DISTINCT FROM p.material
        OR b.description IS DISTINCT FROM p.description
        OR b.launch_date IS DISTINCT FROM p.launch_date
        OR b.discontinued IS DISTINCT FROM p.discontinued
      ) AS is_tie
  FROM batch_products b
  JOIN previous_products p ON b.product_id = p.product_id
),

known_before AS (
  SELECT
    product_id,
    min(known_from) AS first_at,
    max(_sequence) > max(known_until) AS is_newer,
    bool_or(is_tie) AS is_tied
  FROM compared
  GROUP BY product_id
),

numbered_ties AS (
  SELECT
    product_id, _file_sha256, _record, tied_file_sha256, tied_record,
    row_number() OVER (
      PARTITION BY product_id ORDER BY _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    ) AS nth
  FROM (
    SELECT product_id, _sequence, _file_sha256, _record, tied_file_sha256, tied_record
    FROM compared
    WHERE is_tie
    UNION ALL
    SELECT
      a.product_id, a._sequence, a._file_sha256, a._record,
      z._file_sha256 AS tied_file_sha256,
      z._record AS tied_record
    FROM repeated r
    JOIN batch_products_events a ON r.product_id = a.product_id
    JOIN batch_products_events z ON a.product_id = z.product_id AND a._sequence = z._sequence
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

-- Each product that the batch mentions in products or inventory; only those in products are `delivered`.
touched AS (
  SELECT product_id, bool_or(is_delivered) AS is_delivered
  FROM (
    SELECT product_id, TRUE AS is_delivered FROM batch_products
    UNION ALL
    SELECT product_id, FALSE AS is_delivered FROM batch_inventory
  ) AS mentioned
  GROUP BY product_id
),

ordered AS (
  SELECT DISTINCT o.product_id
  FROM known_orders o
  LEFT SEMI JOIN touched t ON o.product_id = t.product_id
),

product_stock AS (
  SELECT product_id, as_of_max(stock_quantity, named_struct('at', valid_from, 'stock', stock_quantity)) AS stock_quantity
  FROM known_products
  GROUP BY product_id
),

warehouse_stock AS (
  SELECT
    product_id, warehouse_id,
    as_of_max(stock_quantity, named_struct('at', valid_from, 'stock', stock_quantity)) AS stock_quantity
  FROM known_inventory
  GROUP BY product_id, warehouse_id
),

inventory_stock AS (
  SELECT product_id, sum(stock_quantity) AS stock_quantity
  FROM warehouse_stock
  GROUP BY product_id
),

judged AS (
  SELECT
    p.product_id,
    t._file_sha256,
    t._record,
    t.tied_file_sha256,
    t.tied_record,
    CASE WHEN p.is_delivered THEN o.product_id IS NULL END AS product_without_orders,
    CASE WHEN p.is_delivered THEN i.product_id IS NULL END AS product_without_inventory,
    s.stock_quantity <> i.stock_quantity AS stock_differs,
    CASE WHEN p.is_delivered THEN t.product_id IS NOT NULL END AS sequence_tie
  FROM touched p
  LEFT JOIN ordered o ON p.product_id = o.product_id
  LEFT JOIN product_stock s ON p.product_id = s.product_id
  LEFT JOIN inventory_stock i ON p.product_id = i.product_id
  LEFT JOIN ties t ON p.product_id = t.product_id
)

SELECT
  'products' AS feed,
  product_id,
  _file_sha256,
  _record,
  tied_file_sha256,
  tied_record,
  product_without_orders,
  product_without_inventory,
  stock_differs,
  sequence_tie,
  CAST(NULL AS boolean) AS sequence_does_not_move
FROM judged
UNION ALL
SELECT
  'products', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  sequence_does_not_move
FROM movement
