"""A new project folder: settings with comments, landing folders, what version control leaves out."""

from __future__ import annotations

from pathlib import Path

from cartlake.errors import UsageError
from cartlake.project import CONTRACTS, load_contracts, package_texts
from cartlake.settings import FILE_NAME, Landing

SETTINGS_TEXT = """\
# Settings of this cartlake project. A line that is commented out shows the default.
# Environment variables win over this file: CARTLAKE_ENGINE__THREADS=2

[landing]
# Where files arrive, the folder in it for manifests, and where loaded files are kept. Relative to this folder.
# path = "landing"
# manifests = "trigger_file"
# archive = "archive"

# What starts a batch: "manifest", or "quiet": files that nobody has touched for so many seconds.
# trigger = "manifest"
# quiet_seconds = 60

# When files of a batch have been missing for so many seconds (default: for ever): "wait" on, "fail" the batch, or go
# on without them ("partial").
# wait_for_files = 3600
# on_missing = "wait"

[engine]
# "embedded": DuckDB and delta-rs on this machine; "spark": Spark and Delta Lake.
# name = "embedded"

# Where the Delta tables stand.
# lake = "lake"

# Spark only: a schema of a catalog in the place of the lake folder (tables stand in <schema>_store), and the Spark
# Connect server to use instead of a Spark of one's own.
# catalog = "spark_catalog"
# schema = "shop"
# remote = "sc://localhost"

# How much memory the engine takes, and how many threads (0: one per core).
# memory_limit = "1500MB"
# threads = 0

# Spark with a catalog or a Connect server: after how many seconds without a sign of life a run counts as dead, so that
# another one may have its batches.
# run_timeout = 3600

[gate]
# What holds a batch back: a failed rule that says so ("rule"), or any failed rule of high severity ("high").
# hold_on = "rule"

[maintain]
# How many days `cartlake maintain` keeps publications that can be opened (`query --at`).
# keep_days = 90

# After how many days archived files and quarantined records are removed (default: never). A file that is gone can
# neither be read again (`batch retry`) nor be proven.
# archive_days = 3650
# quarantine_days = 365

[business]
# The zone of business days, hours and seasons, and the currency of all totals.
# timezone = "UTC"
# reporting_currency = "USD"

# Profit as a share of an order's amount.
# profit_margin_rate = 0.30

# Orders in these states count in no total.
# not_sale_statuses = ["cancelled", "canceled", "refunded", "returned"]

# Orders before the opening hour or after the closing hour are reported.
# open_hour = 8
# close_hour = 18

# Outside of these limits amounts are reported.
# order_amount_min = 1
# order_amount_max = 10000
# shipping_cost_max = 100
# low_value_premium_max = 100

# A batch of which a larger share of a feed's records breaks a rule is held, if the feed has at least so many.
# quarantine_share_max = 0.5
# quarantine_min_rows = 20

[lineage]
# OpenLineage events of every run: an http address, or a file below this folder (default: none are made). A key is
# better kept in the environment: CARTLAKE_LINEAGE__API_KEY.
# openlineage = "http://localhost:5000/api/v1/lineage"
# namespace = "cartlake"
# api_key = "..."
# timeout_seconds = 5

[alerts]
# Who is told of what needs somebody, once for each thing: a webhook that takes JSON, as Slack's do (default: none;
# better kept in the environment, CARTLAKE_ALERTS__WEBHOOK), and a command that reads the same JSON on its standard
# input.
# `cartlake doctor --alerts` tries both.
# webhook = "https://hooks.example.com/services/..."
# command = []

# Of what: batches that failed, are held, or have waited for their files for so long; rules of high severity that
# failed; feeds whose next delivery is overdue.
# on = ["failed", "held", "late", "rule", "freshness"]
# late_after_hours = 24
# timeout_seconds = 10

[log]
# What commands say of their way on stderr: "console", text for people, or "json", a line for each event. A file below
# this folder takes those lines in any case (default: none).
# format = "console"
# file = "logs/cartlake.ndjson"
"""
IGNORED_TEXT = """\
# What files become is made again from the files; they belong in a backup, not here.
/landing/
/archive/
/lake/
/.cartlake/
"""


def create_project(directory: Path, *, with_contracts: bool = False) -> list[Path]:
    """`directory` is a project with the default landing folders; the files that were written. Raises UsageError if one
    of them is there already, and then nothing was written."""
    texts = {FILE_NAME: SETTINGS_TEXT, ".gitignore": IGNORED_TEXT}
    if with_contracts:
        texts |= {f"{CONTRACTS}/{name}": text for name, text in package_texts(CONTRACTS, (".yaml",)).items()}
    _refuse_existing(directory, list(texts))
    for folder in landing_folders(directory):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
    return [directory / name for name in texts]


def landing_folders(directory: Path) -> list[Path]:
    """The folders in which the feeds' files and the manifests land by default."""
    default = Landing()
    landing = directory / default.path
    feeds = [landing / contract.folder / "source" for contract in load_contracts(directory)]
    return [*feeds, landing / default.manifests]


def _refuse_existing(directory: Path, names: list[str]) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError("project_exists", "there is a file of that name", file=str(directory))
    for name in names:
        if (directory / name).exists():
            hint = "Nothing was written. Choose another folder, or remove that file first."
            raise UsageError("project_exists", "there is such a file already", file=str(directory / name), hint=hint)
