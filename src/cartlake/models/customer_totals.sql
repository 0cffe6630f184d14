WITH sales AS (
  SELECT * FROM enriched_orders WHERE is_sale AND customer_id IS NOT NULL
),

counted AS (
  SELECT
    customer_id,
    CASE WHEN is_reporting_currency THEN order_id END AS order_id,
    CASE WHEN is_reporting_currency THEN product_id END AS product_id,
    CASE WHEN is_reporting_currency THEN category END AS category,
    CASE WHEN is_reporting_currency THEN order_amount END AS order_amount,
    CASE WHEN is_reporting_currency THEN order_profit_margin END AS order_profit_margin,
    CASE WHEN is_reporting_currency THEN estimated_clv END AS estimated_clv,
    CASE WHEN is_reporting_currency THEN order_date END AS order_date
  FROM sales
),

-- One kind of distinct values at a time: for several at once Spark copies every row once a kind.
products AS (
  SELECT customer_id, count(DISTINCT product_id) AS unique_products FROM counted GROUP BY customer_id
),

categories AS (
  SELECT customer_id, count(DISTINCT category) AS unique_categories FROM counted GROUP BY customer_id
),

totals AS (
  SELECT
    customer_id,
    count(DISTINCT order_id) AS total_orders,
    count(order_id) AS order_lines,
    count(*) - count(order_id) AS other_currency_lines,
    CAST(coalesce(sum(order_amount), 0) AS decimal(28,2)) AS total_spent,
    CAST(coalesce(sum(order_profit_margin), 0) AS decimal(32,4)) AS total_profit,
    CAST(coalesce(sum(estimated_clv), 0) AS decimal(32,4)) AS total_estimated_clv,
    min(order_date) AS first_order_date,
    max(order_date) AS last_order_date
  FROM counted
  GROUP BY customer_id
)

SELECT
  t.customer_id,
  t.total_orders,
  t.order_lines,
  t.other_currency_lines,
  t.total_spent,
  t.total_profit,
  t.total_estimated_clv,
  p.unique_products,
  c.unique_categories,
  t.first_order_date,
  t.last_order_date
FROM totals t
JOIN products p ON t.customer_id = p.customer_id
JOIN categories c ON t.customer_id = c.customer_id
