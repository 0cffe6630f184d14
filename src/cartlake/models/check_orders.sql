WITH customer_spans AS (
  SELECT
    customer_id, customer_tier,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from, customer_tier) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from, customer_tier),
      date_start(DATE '2262-01-01')
    ) AS span_to
  FROM known_customers k
  LEFT SEMI JOIN batch_orders b ON k.customer_id = b.customer_id
),

product_spans AS (
  SELECT
    product_id, price, currency, discontinued,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from, price, currency, discontinued) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from, price, currency, discontinued),
      date_start(DATE '2262-01-01')
    ) AS span_to
  FROM known_products k
  LEFT SEMI JOIN batch_orders b ON k.product_id = b.product_id
),

shipped AS (
  SELECT DISTINCT s.order_id
  FROM known_shipping s
  LEFT SEMI JOIN batch_orders b ON s.order_id = b.order_id
)

SELECT
  l.order_id,
  l.order_line,
  l.customer_id,
  l.product_id,
  CASE WHEN l.customer_id IS NOT NULL THEN c.customer_id IS NULL END AS order_without_customer,
  CASE WHEN l.product_id IS NOT NULL THEN p.product_id IS NULL END AS order_without_product,
  s.order_id IS NULL AS order_without_shipping,
  l.order_amount < :order_amount_min OR l.order_amount > :order_amount_max AS order_amount_out_of_range,
  CASE
    WHEN coalesce(l.currency, :reporting_currency) = coalesce(p.currency, :reporting_currency)
      THEN abs(l.order_amount - l.quantity * p.price) > 0.01
  END AS order_amount_differs_from_price,
  CASE
    WHEN c.customer_tier = 'premium' THEN l.order_amount < :low_value_premium_max
  END AS low_value_premium_order,
  local_hour(l.first_at, :business_timezone) < :open_hour
    OR local_hour(l.first_at, :business_timezone) > :close_hour AS order_outside_business_hours,
  p.discontinued AS discontinued_product_ordered
FROM batch_orders l
LEFT JOIN customer_spans c
  ON l.customer_id = c.customer_id AND l.first_at >= c.span_from AND l.first_at < c.span_to
LEFT JOIN product_spans p
  ON l.product_id = p.product_id AND l.first_at >= p.span_from AND l.first_at < p.span_to
LEFT JOIN shipped s ON l.order_id = s.order_id
