WITH current_products AS (
  SELECT * FROM products WHERE is_current
),

dimensions AS (
  SELECT
    product_id,
    lower(replace(dimensions_cm, ' ', '')) AS dimensions
  FROM current_products
  WHERE matches(dimensions_cm, '^ *[0-9]+([.][0-9]+)? *[xX] *[0-9]+([.][0-9]+)? *[xX] *[0-9]+([.][0-9]+)? *$')
),

volumes AS (
  SELECT
    product_id,
    CAST(
      CAST(
        parse_decimal(split_part(dimensions, 'x', 1), 9, 3, '.')
          * parse_decimal(split_part(dimensions, 'x', 2), 9, 3, '.')
        AS decimal(19,6)
      )
        * parse_decimal(split_part(dimensions, 'x', 3), 9, 3, '.')
      AS decimal(28,4)
    ) AS volume_cm3
  FROM dimensions
),

measured AS (
  SELECT
    c.*,
    coalesce(v.volume_cm3, 0) AS volume_cm3,
    coalesce(t.total_orders, 0) AS total_orders,
    coalesce(t.total_revenue, 0) AS total_revenue,
    ratio(t.total_revenue, t.total_orders, 4) AS avg_order_value,
    coalesce(t.unique_customers, 0) AS unique_customers,
    coalesce(t.total_profit, 0) AS total_profit,
    coalesce(t.other_currency_lines, 0) AS other_currency_lines,
    t.first_order_date,
    t.last_order_date,
    days_between(p.as_of_date, t.first_order_date) AS days_since_first_order,
    days_between(p.as_of_date, t.last_order_date) AS days_since_last_order,
    days_between(p.as_of_date, c.launch_date) AS days_since_launch
  FROM current_products c
  CROSS JOIN publication p
  LEFT JOIN volumes v ON c.product_id = v.product_id
  LEFT JOIN product_totals t ON c.product_id = t.product_id
)

SELECT
  product_id,
  product_name,
  category,
  subcategory,
  brand,
  price,
  currency,
  stock_quantity,
  weight_kg,
  dimensions_cm,
  color,
  material,
  description,
  launch_date,
  discontinued,
  created_timestamp,
  updated_timestamp,
  valid_from,
  CASE
    WHEN price < 50 THEN 'Budget'
    WHEN price < 150 THEN 'Mid-range'
    WHEN price < 300 THEN 'Premium'
    WHEN price >= 300 THEN 'Luxury'
  END AS price_segment,
  CASE
    WHEN stock_quantity <= 0 THEN 'Out of Stock'
    WHEN stock_quantity < 10 THEN 'Low Stock'
    WHEN stock_quantity < 50 THEN 'Medium Stock'
    WHEN stock_quantity >= 50 THEN 'High Stock'
  END AS stock_status,
  CAST(volume_cm3 AS decimal(28,4)) AS volume_cm3,
  CASE
    WHEN volume_cm3 = 0 THEN CAST(0 AS decimal(38,6))
    ELSE ratio(weight_kg, volume_cm3, 6)
  END AS density_kg_per_cm3,
  total_orders,
  CAST(total_revenue AS decimal(28,2)) AS total_revenue,
  avg_order_value,
  unique_customers,
  CAST(total_profit AS decimal(32,4)) AS total_profit,
  other_currency_lines,
  first_order_date,
  last_order_date,
  days_since_first_order,
  days_since_last_order,
  ratio(days_since_first_order, total_orders, 4) AS order_frequency_days,
  ratio(total_revenue, unique_customers, 4) AS revenue_per_customer,
  CASE
    WHEN total_revenue >= 5000 AND total_orders >= 20 THEN 'Star'
    WHEN total_revenue >= 2000 AND total_orders >= 10 THEN 'High Performer'
    WHEN total_revenue >= 500 AND total_orders >= 5 THEN 'Medium Performer'
    ELSE 'Low Performer'
  END AS performance_category,
  CASE
    WHEN days_since_last_order <= 30 THEN 'Active'
    WHEN days_since_last_order <= 90 THEN 'Declining'
    WHEN days_since_last_order > 90 AND discontinued THEN 'Discontinued'
    WHEN days_since_last_order > 90 THEN 'Stagnant'
  END AS product_lifecycle,
  days_since_launch,
  CASE
    WHEN days_since_launch < 30 THEN 'New'
    WHEN days_since_launch < 365 THEN 'Growth'
    WHEN days_since_launch >= 365 AND discontinued THEN 'Discontinued'
    WHEN days_since_launch >= 365 THEN 'Mature'
  END AS product_lifecycle_stage,
  _batch_id,
  _file_sha256,
  _record
FROM measured
