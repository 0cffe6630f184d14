WITH ordered AS (
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
)

SELECT
  n.shipping_id,
  n.order_id,
  o.order_id IS NULL AS shipping_without_order,
  n.shipping_cost < 0 OR n.shipping_cost > :shipping_cost_max AS shipping_cost_out_of_range,
  s.shipping_id IS NOT NULL AS recycled_id
FROM batch_shipping n
LEFT JOIN ordered o ON n.order_id = o.order_id
LEFT JOIN shared_ids s ON n.shipping_id = s.shipping_id
