"""The dashboard and the report: what the lake holds and how it came about, for people."""
