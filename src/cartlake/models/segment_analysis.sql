WITH segments AS (
  SELECT
    customer_segment,
    count(*) AS customers_count,
    sum(total_spent) AS segment_revenue
  FROM customer_analytics
  GROUP BY customer_segment
)

SELECT
  customer_segment,
  customers_count,
  CAST(segment_revenue AS decimal(38,2)) AS segment_revenue,
  ratio(segment_revenue, customers_count, 4) AS avg_segment_value
FROM segments
