WITH open_or_paid AS (
  SELECT * FROM returns WHERE is_current AND return_status <> 'declined'
),

summed AS (
  SELECT
    product_id,
    count(*) AS returns,
    CAST(sum(quantity) AS bigint) AS pieces,
    CAST(sum(refund_amount) AS decimal(28,2)) AS asked_back,
    CAST(sum(CASE WHEN return_status = 'refunded' THEN refund_amount ELSE 0 END) AS decimal(28,2)) AS paid_back
  FROM open_or_paid
  GROUP BY product_id
)

SELECT
  s.product_id,
  p.product_name,
  s.returns,
  s.pieces,
  s.asked_back,
  s.paid_back,
  ratio(s.asked_back, t.total_revenue, 4) AS share_of_revenue
FROM summed s
LEFT JOIN products p ON s.product_id = p.product_id AND p.is_current
LEFT JOIN product_totals t ON s.product_id = t.product_id
