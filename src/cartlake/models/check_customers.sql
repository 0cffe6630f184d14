WITH buyers AS (
  SELECT DISTINCT o.customer_id
  FROM known_orders o
  LEFT SEMI JOIN batch_customers b ON o.customer_id = b.customer_id
)

SELECT
  c.customer_id,
  o.customer_id IS NULL AS customer_without_orders
FROM batch_customers c
LEFT JOIN buyers o ON c.customer_id = o.customer_id
