WITH sales AS (
  SELECT * FROM enriched_orders WHERE is_sale AND is_reporting_currency
),

totals AS (
  SELECT
    count(DISTINCT order_id) AS total_orders,
    coalesce(sum(order_amount), 0) AS total_revenue,
    count(DISTINCT customer_id) AS unique_customers,
    count(DISTINCT product_id) AS unique_products,
    coalesce(sum(order_profit_margin), 0) AS total_profit,
    sum(estimated_clv) AS total_estimated_clv,
    count(*) AS order_lines
  FROM sales
),

others AS (
  SELECT count(*) AS other_currency_lines FROM enriched_orders WHERE is_sale AND NOT is_reporting_currency
)

SELECT
  t.total_orders,
  CAST(t.total_revenue AS decimal(28,2)) AS total_revenue,
  ratio(t.total_revenue, t.total_orders, 4) AS avg_order_value,
  t.unique_customers,
  t.unique_products,
  CAST(t.total_profit AS decimal(32,4)) AS total_profit,
  ratio(t.total_estimated_clv, t.order_lines, 4) AS avg_estimated_clv,
  ratio(t.total_profit * 100, t.total_revenue, 4) AS profit_margin_percentage,
  ratio(t.total_revenue, t.unique_customers, 4) AS revenue_per_customer,
  ratio(t.total_orders, t.unique_customers, 4) AS orders_per_customer,
  o.other_currency_lines,
  p.as_of_date AS report_date,
  p.published_at AS report_timestamp
FROM publication p
CROSS JOIN totals t
CROSS JOIN others o
