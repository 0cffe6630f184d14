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
)

SELECT
  customer_id,
  count(DISTINCT order_id) AS total_orders,
  count(order_id) AS order_lines,
  count(*) - count(order_id) AS other_currency_lines,
  CAST(coalesce(sum(order_amount), 0) AS decimal(28,2)) AS total_spent,
  CAST(coalesce(sum(order_profit_margin), 0) AS decimal(32,4)) AS total_profit,
  CAST(coalesce(sum(estimated_clv), 0) AS decimal(32,4)) AS total_estimated_clv,
  count(DISTINCT product_id) AS unique_products,
  count(DISTINCT category) AS unique_categories,
  min(order_date) AS first_order_date,
  max(order_date) AS last_order_date
FROM counted
GROUP BY customer_id
