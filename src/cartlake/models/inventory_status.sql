WITH current_positions AS (
  SELECT * FROM inventory WHERE is_current
),

aged AS (
  SELECT
    i.*,
    days_between(p.as_of_date, i.last_restocked) AS days_since_restock,
    days_between(p.as_of_date, i.last_audit) AS days_since_audit
  FROM current_positions i
  CROSS JOIN publication p
)

SELECT
  product_id,
  warehouse_id,
  inventory_id,
  warehouse_name,
  location,
  stock_quantity,
  reserved_quantity,
  available_quantity,
  reorder_level,
  last_restocked,
  last_audit,
  created_timestamp,
  updated_timestamp,
  valid_from,
  CASE
    WHEN stock_quantity = 0 THEN CAST(0 AS decimal(38,4))
    ELSE ratio(reserved_quantity, stock_quantity, 4)
  END AS stock_utilization_rate,
  CASE
    WHEN available_quantity <= 0 THEN 'Out of Stock'
    WHEN available_quantity <= reorder_level THEN 'Reorder Required'
    WHEN available_quantity <= 2 * reorder_level THEN 'Low Stock'
    WHEN available_quantity > 0 THEN 'In Stock'
  END AS stock_status,
  days_since_restock,
  days_since_audit,
  CASE
    WHEN days_since_audit > 90 THEN 'Overdue'
    WHEN days_since_audit > 60 THEN 'Due Soon'
    WHEN days_since_audit <= 60 THEN 'Current'
  END AS audit_status,
  _batch_id,
  _file_sha256,
  _record
FROM aged
