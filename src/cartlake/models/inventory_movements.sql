WITH versions AS (
  SELECT
    product_id, warehouse_id, valid_from, inventory_id, stock_quantity, reserved_quantity, available_quantity,
    lag(stock_quantity) OVER (PARTITION BY product_id, warehouse_id ORDER BY valid_from) AS previous_stock_quantity,
    lag(reserved_quantity) OVER (
      PARTITION BY product_id, warehouse_id ORDER BY valid_from
    ) AS previous_reserved_quantity,
    lag(available_quantity) OVER (
      PARTITION BY product_id, warehouse_id ORDER BY valid_from
    ) AS previous_available_quantity,
    _batch_id, _file_sha256, _record
  FROM inventory
)

SELECT
  product_id,
  warehouse_id,
  valid_from AS moved_at,
  inventory_id,
  previous_stock_quantity,
  stock_quantity,
  stock_quantity - previous_stock_quantity AS stock_change,
  reserved_quantity,
  reserved_quantity - previous_reserved_quantity AS reserved_change,
  available_quantity,
  available_quantity - previous_available_quantity AS available_change,
  _batch_id,
  _file_sha256,
  _record
FROM versions
