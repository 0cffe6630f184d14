"""The Spark engine: Spark 4 with Delta Lake, here, on a cluster or on Databricks; only what Spark Connect has."""
