from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from cartlake.cli.options import opened
from cartlake.cli.output import Output, encode, lines, plain, seconds
from cartlake.cli.quarantine import _decided
from cartlake.cli.views import batch_table
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.deciding import DecisionReport, RecordDecision
from cartlake.core.entries import Counts
from cartlake.queries import BatchReport

HOSTILE = "\x1b[31mred\x1b[0m \x07bell \x9b2J \u202egnp.exe [bold]markup[/bold] :smile:\nnext"


@given(st.text() | st.dictionaries(st.text(), st.text()))
def test_whatever_stands_in_a_cell_is_one_line_of_printable_signs(value: object) -> None:
    assert plain(value).isprintable()


def test_escape_sequences_and_line_ends_are_shown_as_escapes() -> None:
    shown = plain(HOSTILE)
    assert "\\x1b[31mred" in shown
    assert "\\x9b2J" in shown
    assert "\\u202e" in shown
    assert shown.endswith("\\nnext")


def test_lines_keeps_line_ends_only() -> None:
    assert lines("first\nsecond\x1b[2J") == "first\nsecond\\x1b[2J"


def test_markup_and_emoji_codes_in_data_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    table = out.table("[red]name[/red]", "file")
    table.add_row(plain("[bold]Ann[/bold] :smile:"), Text("[link]x"))
    out.show(table, plain("[/] [blink]"))
    out.notices(["[red]note"])
    printed, noted = capsys.readouterr()
    assert "[red]name[/red]" in printed
    assert "[bold]Ann[/bold] :smile:" in printed
    assert "[/] [blink]" in printed
    assert "[red]note" in noted


def test_a_long_cell_is_not_cut_off_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    table = out.table("raw")
    table.add_row("x" * 500)
    out.show(table)
    assert "x" * 500 in capsys.readouterr().out


def test_a_notice_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    Output().notices(["a.csv: passed over", "a.csv: passed over"])
    assert capsys.readouterr().err.count("passed over") == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (1234567, "1,234,567"),
        (Decimal("1234.50"), "1,234.50"),
        (Decimal("0E-4"), "0.0000"),
        (True, "true"),
        (date(2025, 1, 15), "2025-01-15"),
        (datetime(2025, 1, 15, 9, 30, tzinfo=timezone(timedelta(hours=1))), "2025-01-15 08:30:00Z"),
    ],
)
def test_values_are_shown_with_thousands_separators_and_in_utc(value: object, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("12.50"), '"12.50"'),
        (Decimal("0E-9"), '"0.000000000"'),
        (date(2025, 1, 15), '"2025-01-15"'),
        (datetime(2025, 1, 15, 8, tzinfo=UTC), '"2025-01-15T08:00:00+00:00"'),
        (datetime(2025, 1, 15, 9, tzinfo=timezone(timedelta(hours=1))), '"2025-01-15T08:00:00+00:00"'),
        (datetime(2025, 1, 15, 8), '"2025-01-15T08:00:00+00:00"'),
        (float("nan"), '"nan"'),
        ((1, None, "é\x9b"), '[1, null, "\\u00e9\\u009b"]'),
    ],
)
def test_json_has_decimals_and_times_as_iso_strings_in_ascii(value: object, written: str) -> None:
    assert encode(value, indent=None) == written


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_every_value_becomes_strict_json(value: object) -> None:
    json.loads(encode(value), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert encode(value).isascii()


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12 s"), (3.44, "3.4 s"), (59.9, "59.9 s"), (725, "12 min 05 s")]
)
def test_durations_have_two_digits_that_matter(value: float, shown: str) -> None:
    assert seconds(value) == shown


def test_rows_in_a_pipe_are_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Output().grid(["name", "n"], [["Ann", "1"], ["x" * 300, "1,000"]], ["n"])
    header, first, second = capsys.readouterr().out.splitlines()
    assert (len(header), len(first)) == (307, 307)
    assert first.endswith("    1")
    assert second == "x" * 300 + "  1,000"


def test_rows_too_wide_for_a_terminal_are_shown_a_value_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, no colours
    Output().grid(["name", "revenue"], [["Ann", "12,345.67"]], ["revenue"])
    assert "─" in terminal.getvalue()
    Output().grid(["name", "revenue", "remark"], [["Ann", "12,345.67", "y" * 70]], ["revenue"])
    assert f"name     Ann\nrevenue  12,345.67\nremark   {'y' * 70}\n" in terminal.getvalue()


def test_who_decides_about_many_records_is_told_how_to_see_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    record = RecordDecision("f-1", "b1", "orders", "o.csv", 2, "discard", True, (), ("key_missing",), (), True)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", told := StringIO())
    _decided(Output(), DecisionReport((record,) * 300, ("b1",), (), False), "Nothing changes.")
    assert "of 300 rows are shown; --json shows more" in told.getvalue()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("engine", "form", "said"), [("spark", "console", True), ("embedded", "console", False), ("spark", "json", False)]
)
def test_a_terminal_is_told_that_spark_starts(
    engine: str, form: str, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cartlake.toml").write_text(f'[log]\nformat = "{form}"\n', "utf-8")
    for stream, is_told in ((Terminal(), said), (StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        opened(tmp_path, engine=engine).close()
        assert ("starting Spark" in stream.getvalue()) is is_told


def test_the_name_of_a_batch_is_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("TERM", "dumb")
    told = ("trigger.json", "", "", None, None, None, datetime(2025, 1, 3, tzinfo=UTC))
    batch = Batch("batch_2025_01_02_001", date(2025, 1, 2), BatchStatus.PUBLISHED, (), *told, verdict="FAIL")
    out = Output()
    out.show(batch_table(out, [BatchReport(batch, Counts(424, 413, 8, 3))]))
    assert "batch_2025_01_02_001  2025-01-02  published  FAIL" in terminal.getvalue()
