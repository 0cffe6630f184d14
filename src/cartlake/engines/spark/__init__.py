"""The Spark engine: Spark 4 with Delta Lake, here, on a cluster or on Databricks. Only what Spark Connect has is used."""

from cartlake.engines.spark.engine import SparkEngine

__all__ = ["SparkEngine"]
