WITH carried AS (
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
)

SELECT
  i.product_id,
  i.warehouse_id,
  i.inventory_id,
  p.product_id IS NULL AS inventory_without_product,
  CASE WHEN i.inventory_id IS NOT NULL THEN s.inventory_id IS NOT NULL END AS recycled_id
FROM batch_inventory i
LEFT JOIN carried p ON i.product_id = p.product_id
LEFT JOIN shared_ids s ON i.inventory_id = s.inventory_id
