-- Medians are kept doubled, so that they are whole numbers: the middle row twice, or the sum of the middle two.
WITH recent AS (
  SELECT feed, rows_in
  FROM (
    SELECT feed, rows_in, row_number() OVER (PARTITION BY feed ORDER BY batch_date DESC, batch_id DESC) AS recency
    FROM earlier_counts
  ) AS numbered
  WHERE recency <= 30
),

ranked AS (
  SELECT
    feed, rows_in,
    row_number() OVER (PARTITION BY feed ORDER BY rows_in) AS place,
    count(*) OVER (PARTITION BY feed) AS batches
  FROM recent
),

medians AS (
  SELECT
    feed,
    max(batches) AS batches,
    CAST(CASE count(*) WHEN 1 THEN 2 * sum(rows_in) ELSE sum(rows_in) END AS bigint) AS median_doubled
  FROM ranked
  WHERE 2 * place BETWEEN batches AND batches + 2
  GROUP BY feed
),

deviations AS (
  SELECT
    r.feed,
    abs(2 * r.rows_in - m.median_doubled) AS deviation_doubled
  FROM recent r
  JOIN medians m ON r.feed = m.feed
),

ranked_deviations AS (
  SELECT
    feed, deviation_doubled,
    row_number() OVER (PARTITION BY feed ORDER BY deviation_doubled) AS place,
    count(*) OVER (PARTITION BY feed) AS batches
  FROM deviations
),

spreads AS (
  SELECT
    feed,
    CAST(
      CASE count(*) WHEN 1 THEN 2 * sum(deviation_doubled) ELSE sum(deviation_doubled) END AS bigint
    ) AS spread_quadrupled
  FROM ranked_deviations
  WHERE 2 * place BETWEEN batches AND batches + 2
  GROUP BY feed
),

-- Feeds that never vary must not alarm at a handful of rows: a spread is at least one row and 1 % of the median.
expected AS (
  SELECT
    m.feed,
    m.batches,
    m.median_doubled,
    greatest(s.spread_quadrupled, 0.02 * m.median_doubled, 4) AS spread_quadrupled
  FROM medians m
  JOIN spreads s ON m.feed = s.feed
)

SELECT
  b.feed,
  b.rows_in,
  b.rows_quarantined,
  e.median_doubled,
  CASE
    WHEN e.batches >= 7
      THEN 0.6745 * 2 * abs(2 * b.rows_in - e.median_doubled) > 3.5 * e.spread_quadrupled
  END AS file_mass_anomaly,
  b.rows_quarantined >= :quarantine_min_rows
    AND b.rows_quarantined > :quarantine_share_max * b.rows_in AS quarantine_share
FROM batch_counts b
LEFT JOIN expected e ON b.feed = e.feed
