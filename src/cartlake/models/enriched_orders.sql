WITH current_lines AS (
  SELECT * FROM orders WHERE is_current
),

current_shipments AS (
  SELECT * FROM shipping WHERE is_current
),

-- The first version of a line or shipment that changed is closed; what never changed starts with its only version.
line_starts AS (
  SELECT order_id, order_line, min(valid_from) AS first_at
  FROM orders
  WHERE NOT is_current
  GROUP BY order_id, order_line
),

shipment_starts AS (
  SELECT shipping_id, order_id, min(valid_from) AS first_at
  FROM shipping
  WHERE NOT is_current
  GROUP BY shipping_id, order_id
),

lines AS (
  SELECT
    l.*,
    coalesce(s.first_at, l.valid_from) AS ordered_at,
    coalesce(l.order_date, local_date(coalesce(s.first_at, l.valid_from), :business_timezone)) AS day
  FROM current_lines l
  LEFT JOIN line_starts s ON l.order_id = s.order_id AND l.order_line = s.order_line
),

-- Each version counts until the next one, a gap after a delete included; the first one also for all time before it.
customer_spans AS (
  SELECT
    customer_id, first_name, last_name, registration_date, city, state, zip_code, country, customer_tier, valid_from,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from), date_start(DATE '2262-01-01')
    ) AS span_to
  FROM customers
),

product_spans AS (
  SELECT
    product_id, product_name, category, subcategory, brand, price, currency, stock_quantity, launch_date,
    discontinued, valid_from,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS span_from,
    coalesce(
      lead(valid_from) OVER (PARTITION BY product_id ORDER BY valid_from), date_start(DATE '2262-01-01')
    ) AS span_to
  FROM products
),

-- Stock over all warehouses of a product: what each version changes at its warehouse, added up over time. Added up as
-- decimals: a few quantities of 18 digits are more than a bigint holds.
warehouse_quantities AS (
  SELECT
    product_id, warehouse_id, valid_from,
    CAST(coalesce(stock_quantity, 0) AS decimal(28,0)) AS stock_quantity,
    CAST(coalesce(reserved_quantity, 0) AS decimal(28,0)) AS reserved_quantity,
    CAST(
      coalesce(available_quantity, stock_quantity - coalesce(reserved_quantity, 0), 0) AS decimal(28,0)
    ) AS available_quantity
  FROM inventory
),

warehouse_changes AS (
  SELECT
    product_id,
    CASE
      WHEN lag(valid_from) OVER (PARTITION BY product_id, warehouse_id ORDER BY valid_from) IS NULL
        THEN date_start(DATE '1900-01-01')
      ELSE valid_from
    END AS changed_at,
    stock_quantity - lag(stock_quantity, 1, CAST(0 AS decimal(28,0))) OVER (
      PARTITION BY product_id, warehouse_id ORDER BY valid_from
    ) AS stock_change,
    reserved_quantity - lag(reserved_quantity, 1, CAST(0 AS decimal(28,0))) OVER (
      PARTITION BY product_id, warehouse_id ORDER BY valid_from
    ) AS reserved_change,
    available_quantity - lag(available_quantity, 1, CAST(0 AS decimal(28,0))) OVER (
      PARTITION BY product_id, warehouse_id ORDER BY valid_from
    ) AS available_change
  FROM warehouse_quantities
),

stock_changes AS (
  SELECT
    product_id,
    changed_at,
    sum(stock_change) AS stock_change,
    sum(reserved_change) AS reserved_change,
    sum(available_change) AS available_change
  FROM warehouse_changes
  GROUP BY product_id, changed_at
),

stock_spans AS (
  SELECT
    product_id,
    changed_at AS span_from,
    coalesce(
      lead(changed_at) OVER (PARTITION BY product_id ORDER BY changed_at), date_start(DATE '2262-01-01')
    ) AS span_to,
    sum(stock_change) OVER (
      PARTITION BY product_id ORDER BY changed_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS stock_quantity,
    sum(reserved_change) OVER (
      PARTITION BY product_id ORDER BY changed_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS reserved_quantity,
    sum(available_change) OVER (
      PARTITION BY product_id ORDER BY changed_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS available_quantity
  FROM stock_changes
),

-- Orders with more than one shipment; all others need no ranking.
split_orders AS (
  SELECT
    order_id,
    count(*) AS shipping_count,
    sum(CASE WHEN coalesce(currency, :reporting_currency) = :reporting_currency THEN shipping_cost END)
      AS shipping_cost,
    count_if(currency <> :reporting_currency) AS shipping_other_currency_count
  FROM current_shipments
  GROUP BY order_id
  HAVING count(*) > 1
),

ranked_shipments AS (
  SELECT
    c.*,
    s.shipping_count,
    s.shipping_cost AS total_shipping_cost,
    s.shipping_other_currency_count,
    row_number() OVER (PARTITION BY c.order_id ORDER BY c.valid_from DESC, c.shipping_id DESC) AS recency
  FROM current_shipments c
  JOIN split_orders s ON c.order_id = s.order_id
),

-- One row an order: the shipment that changed last speaks for it, count and cost are of all of them.
speaking_shipments AS (
  SELECT
    order_id, shipping_id, valid_from, carrier, shipping_status, estimated_delivery, actual_delivery,
    shipping_count, total_shipping_cost AS shipping_cost, shipping_other_currency_count
  FROM ranked_shipments
  WHERE recency = 1
  UNION ALL
  SELECT
    c.order_id, c.shipping_id, c.valid_from, c.carrier, c.shipping_status, c.estimated_delivery, c.actual_delivery,
    1 AS shipping_count,
    CASE WHEN coalesce(c.currency, :reporting_currency) = :reporting_currency THEN c.shipping_cost END AS shipping_cost,
    CASE WHEN c.currency <> :reporting_currency THEN 1 ELSE 0 END AS shipping_other_currency_count
  FROM current_shipments c
  LEFT ANTI JOIN split_orders s ON c.order_id = s.order_id
),

order_shipments AS (
  SELECT
    p.order_id,
    p.shipping_count,
    p.shipping_cost,
    p.shipping_other_currency_count,
    p.shipping_status,
    p.carrier,
    days_between(
      p.actual_delivery, local_date(coalesce(s.first_at, p.valid_from), :business_timezone)
    ) AS delivery_days,
    CASE
      WHEN p.shipping_status IS DISTINCT FROM 'delivered' OR p.actual_delivery IS NULL THEN 'Pending'
      WHEN p.actual_delivery > local_date(p.valid_from, :business_timezone) THEN 'Pending'
      WHEN p.actual_delivery <= p.estimated_delivery THEN 'On Time'
      WHEN p.actual_delivery <= add_days(p.estimated_delivery, 1) THEN 'Slightly Delayed'
      WHEN p.estimated_delivery IS NOT NULL THEN 'Delayed'
    END AS delivery_performance
  FROM speaking_shipments p
  LEFT JOIN shipment_starts s ON p.shipping_id = s.shipping_id AND p.order_id = s.order_id
)

SELECT
  l.order_id,
  l.order_line,
  l.customer_id,
  l.product_id,
  l.day AS order_date,
  l.quantity,
  l.order_amount,
  l.currency,
  l.payment_method,
  l.shipping_address,
  l.order_status,
  l.created_timestamp,
  l.updated_timestamp,
  l.ordered_at,
  l.valid_from,
  c.first_name,
  c.last_name,
  c.registration_date,
  c.city,
  c.state,
  c.zip_code,
  c.country,
  c.customer_tier,
  c.valid_from AS customer_valid_from,
  p.product_name,
  p.category,
  p.subcategory,
  p.brand,
  p.price,
  p.currency AS product_currency,
  p.stock_quantity AS product_stock_quantity,
  p.launch_date,
  p.discontinued,
  p.valid_from AS product_valid_from,
  CASE WHEN abs(i.stock_quantity) <= 999999999999999999 THEN CAST(i.stock_quantity AS bigint) END
    AS inventory_stock_quantity,
  CASE WHEN abs(i.reserved_quantity) <= 999999999999999999 THEN CAST(i.reserved_quantity AS bigint) END
    AS inventory_reserved_quantity,
  CASE WHEN abs(i.available_quantity) <= 999999999999999999 THEN CAST(i.available_quantity AS bigint) END
    AS inventory_available_quantity,
  coalesce(s.shipping_count, 0) AS shipping_count,
  CAST(coalesce(s.shipping_cost, 0) AS decimal(28,2)) AS shipping_cost,
  CAST(coalesce(s.shipping_other_currency_count, 0) AS bigint) AS shipping_other_currency_count,
  s.shipping_status,
  s.carrier,
  s.delivery_days,
  s.delivery_performance,
  CAST(CAST(l.order_amount AS decimal(19,2)) * :profit_margin_rate AS decimal(22,4)) AS order_profit_margin,
  CAST(
    CAST(l.order_amount AS decimal(19,2))
      * CASE c.customer_tier WHEN 'premium' THEN 10 WHEN 'gold' THEN 7 WHEN 'silver' THEN 5 ELSE 3 END
    AS decimal(22,4)
  ) AS estimated_clv,
  CASE
    WHEN coalesce(l.currency, :reporting_currency) = coalesce(p.currency, :reporting_currency)
      THEN CAST(l.order_amount - l.quantity * p.price AS decimal(38,2))
  END AS price_difference,
  CASE
    WHEN month_of(l.day) IN (12, 1, 2) THEN 'Winter'
    WHEN month_of(l.day) IN (3, 4, 5) THEN 'Spring'
    WHEN month_of(l.day) IN (6, 7, 8) THEN 'Summer'
    ELSE 'Fall'
  END AS season,
  day_of_week(l.day) AS day_of_week,
  day_of_week(l.day) IN (1, 7) AS is_weekend,
  CASE
    WHEN local_hour(l.ordered_at, :business_timezone) < 6 THEN 'Early Morning'
    WHEN local_hour(l.ordered_at, :business_timezone) < 12 THEN 'Morning'
    WHEN local_hour(l.ordered_at, :business_timezone) < 18 THEN 'Afternoon'
    ELSE 'Evening'
  END AS time_of_day,
  c.customer_id IS NOT NULL AS has_customer,
  p.product_id IS NOT NULL AS has_product,
  s.order_id IS NOT NULL AS has_shipping,
  coalesce(l.order_status, '') NOT IN :not_sale_statuses AS is_sale,
  coalesce(l.currency, :reporting_currency) = :reporting_currency AS is_reporting_currency,
  l._batch_id,
  l._file_sha256,
  l._record
FROM lines l
-- The widest look-ups come last: what is sorted and sent about before them is narrower.
LEFT JOIN order_shipments s ON l.order_id = s.order_id
LEFT JOIN customer_spans c
  ON l.customer_id = c.customer_id AND l.ordered_at >= c.span_from AND l.ordered_at < c.span_to
LEFT JOIN product_spans p
  ON l.product_id = p.product_id AND l.ordered_at >= p.span_from AND l.ordered_at < p.span_to
LEFT JOIN stock_spans i
  ON l.product_id = i.product_id AND l.ordered_at >= i.span_from AND l.ordered_at < i.span_to
