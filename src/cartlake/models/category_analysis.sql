WITH categories AS (
  SELECT
    category,
    count(*) AS products_count,
    sum(total_revenue) AS category_revenue
  FROM product_analytics
  GROUP BY category
)

SELECT
  category,
  products_count,
  CAST(category_revenue AS decimal(38,2)) AS category_revenue,
  ratio(category_revenue, products_count, 4) AS avg_category_revenue
FROM categories
