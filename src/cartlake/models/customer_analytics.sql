WITH current_customers AS (
  SELECT * FROM customers WHERE is_current
),

measured AS (
  SELECT
    c.*,
    coalesce(t.total_orders, 0) AS total_orders,
    coalesce(t.total_spent, 0) AS total_spent,
    ratio(t.total_spent, t.total_orders, 4) AS avg_order_value,
    t.first_order_date,
    t.last_order_date,
    coalesce(t.unique_products, 0) AS unique_products_purchased,
    coalesce(t.unique_categories, 0) AS unique_categories_purchased,
    coalesce(t.total_profit, 0) AS total_profit_generated,
    ratio(t.total_estimated_clv, t.order_lines, 4) AS avg_estimated_clv,
    coalesce(t.other_currency_lines, 0) AS other_currency_lines,
    days_between(p.as_of_date, t.first_order_date) AS days_since_first_order,
    days_between(p.as_of_date, t.last_order_date) AS days_since_last_order,
    years_between(p.as_of_date, c.date_of_birth) AS age,
    days_between(p.as_of_date, c.registration_date) AS days_since_registration
  FROM current_customers c
  CROSS JOIN publication p
  LEFT JOIN customer_totals t ON c.customer_id = t.customer_id
)

SELECT
  customer_id,
  first_name,
  last_name,
  email,
  phone,
  date_of_birth,
  registration_date,
  address,
  city,
  state,
  zip_code,
  country,
  customer_tier,
  last_login,
  created_timestamp,
  updated_timestamp,
  valid_from,
  total_orders,
  CAST(total_spent AS decimal(28,2)) AS total_spent,
  avg_order_value,
  first_order_date,
  last_order_date,
  unique_products_purchased,
  unique_categories_purchased,
  CAST(total_profit_generated AS decimal(32,4)) AS total_profit_generated,
  avg_estimated_clv,
  other_currency_lines,
  days_since_first_order,
  days_since_last_order,
  ratio(days_since_first_order, total_orders, 4) AS order_frequency_days,
  CASE
    WHEN total_spent >= 1000 AND total_orders >= 5 THEN 'VIP'
    WHEN total_spent >= 500 AND total_orders >= 3 THEN 'High Value'
    WHEN total_spent >= 200 AND total_orders >= 2 THEN 'Medium Value'
    ELSE 'Low Value'
  END AS customer_segment,
  CASE
    WHEN days_since_last_order <= 30 THEN 'Active'
    WHEN days_since_last_order <= 90 THEN 'At Risk'
    WHEN days_since_last_order <= 180 THEN 'Inactive'
    WHEN days_since_last_order > 180 THEN 'Lost'
  END AS lifecycle_stage,
  CASE
    WHEN days_since_registration < 30 THEN 'New'
    WHEN days_since_registration < 365 THEN 'Active'
    WHEN days_since_registration >= 365 THEN 'Established'
  END AS customer_lifecycle_stage,
  age,
  CASE
    WHEN age < 25 THEN 'Gen Z'
    WHEN age < 40 THEN 'Millennial'
    WHEN age < 55 THEN 'Gen X'
    WHEN age >= 55 THEN 'Boomer+'
  END AS age_segment,
  days_since_registration,
  _batch_id,
  _file_sha256,
  _record
FROM measured
