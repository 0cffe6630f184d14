"""The embedded engine: DuckDB computes, delta-rs commits. No server, no JVM, one machine."""

from cartlake.engines.embedded.engine import EmbeddedEngine
from cartlake.engines.embedded.scratch import sweep

__all__ = ["EmbeddedEngine", "sweep"]
