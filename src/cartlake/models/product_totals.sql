WITH sales AS (
  SELECT * FROM enriched_orders WHERE is_sale AND product_id IS NOT NULL
),

counted AS (
  SELECT
    product_id,
    CASE WHEN is_reporting_currency THEN order_id END AS order_id,
    CASE WHEN is_reporting_currency THEN customer_id END AS customer_id,
    CASE WHEN is_reporting_currency THEN order_amount END AS order_amount,
    CASE WHEN is_reporting_currency THEN order_profit_margin END AS order_profit_margin,
    CASE WHEN is_reporting_currency THEN order_date END AS order_date
  FROM sales
),

-- One kind of distinct values at a time: for several at once Spark copies every row once a kind.
customers AS (
  SELECT product_id, count(DISTINCT customer_id) AS unique_customers FROM counted GROUP BY product_id
),

totals AS (
  SELECT
    product_id,
    count(DISTINCT order_id) AS total_orders,
    count(order_id) AS order_lines,
    count(*) - count(order_id) AS other_currency_lines,
    CAST(coalesce(sum(order_amount), 0) AS decimal(28,2)) AS total_revenue,
    CAST(coalesce(sum(order_profit_margin), 0) AS decimal(32,4)) AS total_profit,
    min(order_date) AS first_order_date,
    max(order_date) AS last_order_date
  FROM counted
  GROUP BY product_id
)

SELECT
  t.product_id,
  t.total_orders,
  t.order_lines,
  t.other_currency_lines,
  t.total_revenue,
  t.total_profit,
  c.unique_customers,
  t.first_order_date,
  t.last_order_date
FROM totals t
JOIN customers c ON t.product_id = c.product_id
