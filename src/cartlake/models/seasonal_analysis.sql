WITH sales AS (
  SELECT * FROM enriched_orders WHERE is_sale AND is_reporting_currency
),

seasons AS (
  SELECT
    season,
    count(DISTINCT order_id) AS orders_count,
    sum(order_amount) AS seasonal_revenue
  FROM sales
  GROUP BY season
)

SELECT
  season,
  orders_count,
  CAST(seasonal_revenue AS decimal(28,2)) AS seasonal_revenue,
  ratio(seasonal_revenue, orders_count, 4) AS avg_seasonal_order_value
FROM seasons
