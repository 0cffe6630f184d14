"""The embedded engine: DuckDB computes, delta-rs commits. No server, no JVM, one machine."""

from cartlake.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
