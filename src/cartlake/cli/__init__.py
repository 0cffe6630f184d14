"""The command line: parse, call, print. Everything that happens is done by `cartlake.lake` and below."""

from cartlake.cli.app import job, main

__all__ = ["job", "main"]
