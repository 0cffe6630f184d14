WITH sales AS (
  SELECT * FROM enriched_orders WHERE is_sale
),

counted AS (
  SELECT
    order_date,
    CASE WHEN is_reporting_currency THEN order_id END AS order_id,
    CASE WHEN is_reporting_currency THEN customer_id END AS customer_id,
    CASE WHEN is_reporting_currency THEN order_amount END AS order_amount,
    CASE WHEN is_reporting_currency THEN order_profit_margin END AS order_profit_margin
  FROM sales
),

-- One kind of distinct values at a time: for several at once Spark copies every row once a kind.
customers AS (
  SELECT order_date, count(DISTINCT customer_id) AS unique_customers FROM counted GROUP BY order_date
),

totals AS (
  SELECT
    order_date,
    count(DISTINCT order_id) AS total_orders,
    count(*) - count(order_id) AS other_currency_lines,
    CAST(coalesce(sum(order_amount), 0) AS decimal(28,2)) AS total_revenue,
    CAST(coalesce(sum(order_profit_margin), 0) AS decimal(32,4)) AS total_profit
  FROM counted
  GROUP BY order_date
)

SELECT
  t.order_date,
  t.total_orders,
  t.other_currency_lines,
  t.total_revenue,
  c.unique_customers,
  t.total_profit
FROM totals t
JOIN customers c ON t.order_date = c.order_date
