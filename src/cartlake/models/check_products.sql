-- Each product that the batch mentions in products or inventory; only those in products are `delivered`.
WITH touched AS (
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
  FROM known_products k
  LEFT SEMI JOIN touched t ON k.product_id = t.product_id
  GROUP BY product_id
),

-- A version that ends when the next one starts ends nothing.
stock_events AS (
  SELECT product_id, warehouse_id, valid_from AS at, 1 AS is_there, stock_quantity
  FROM known_inventory k
  LEFT SEMI JOIN touched t ON k.product_id = t.product_id
  UNION ALL
  SELECT product_id, warehouse_id, ended_at AS at, 0 AS is_there, CAST(NULL AS bigint) AS stock_quantity
  FROM ended_inventory
),

warehouse_stock AS (
  SELECT
    product_id,
    warehouse_id,
    as_of_max(stock_quantity, named_struct('at', at, 'is_there', is_there, 'stock', stock_quantity)) AS stock_quantity,
    as_of_max(is_there, named_struct('at', at, 'is_there', is_there)) AS is_there
  FROM stock_events
  GROUP BY product_id, warehouse_id
),

inventory_stock AS (
  SELECT product_id, sum(CAST(stock_quantity AS decimal(28,0))) AS stock_quantity
  FROM warehouse_stock
  WHERE is_there = 1
  GROUP BY product_id
)

SELECT
  p.product_id,
  CASE WHEN p.is_delivered THEN o.product_id IS NULL END AS product_without_orders,
  CASE WHEN p.is_delivered THEN i.product_id IS NULL END AS product_without_inventory,
  s.stock_quantity <> i.stock_quantity AS stock_differs
FROM touched p
LEFT JOIN ordered o ON p.product_id = o.product_id
LEFT JOIN product_stock s ON p.product_id = s.product_id
LEFT JOIN inventory_stock i ON p.product_id = i.product_id
