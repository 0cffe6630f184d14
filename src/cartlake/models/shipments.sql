WITH current_shipments AS (
  SELECT * FROM shipping WHERE is_current
),

starts AS (
  SELECT shipping_id, order_id, min(valid_from) AS first_at
  FROM shipping
  GROUP BY shipping_id, order_id
),

dated AS (
  SELECT
    c.*,
    p.as_of_date,
    local_date(s.first_at, :business_timezone) AS shipped_on
  FROM current_shipments c
  CROSS JOIN publication p
  LEFT JOIN starts s ON c.shipping_id = s.shipping_id AND c.order_id = s.order_id
)

SELECT
  shipping_id,
  order_id,
  tracking_number,
  carrier,
  service_type,
  origin_warehouse,
  destination_address,
  shipping_cost,
  currency,
  estimated_delivery,
  actual_delivery,
  shipping_status,
  package_weight,
  package_dimensions,
  insurance_value,
  created_timestamp,
  updated_timestamp,
  valid_from,
  shipped_on,
  days_between(actual_delivery, shipped_on) AS delivery_days,
  days_between(estimated_delivery, shipped_on) AS estimated_delivery_days,
  CASE
    WHEN shipping_status IS DISTINCT FROM 'delivered' OR actual_delivery IS NULL THEN 'Pending'
    WHEN actual_delivery > as_of_date THEN 'Pending'
    WHEN actual_delivery <= estimated_delivery THEN 'On Time'
    WHEN actual_delivery <= add_days(estimated_delivery, 1) THEN 'Slightly Delayed'
    WHEN estimated_delivery IS NOT NULL THEN 'Delayed'
  END AS delivery_performance,
  CASE
    WHEN shipping_cost < 10 THEN 'Low Cost'
    WHEN shipping_cost < 20 THEN 'Medium Cost'
    WHEN shipping_cost >= 20 THEN 'High Cost'
  END AS cost_category,
  ratio(shipping_cost, package_weight, 4) AS cost_per_kg,
  _batch_id,
  _file_sha256,
  _record
FROM dated
