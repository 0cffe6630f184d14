"""Every case of the corpus, through the real stage load: exact rows, reasons and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import pytest

from cartlake.engines.base import Row
from tests.reading.corpus import CASES, COLUMNS, TIME, Case
from tests.reading.intake import Intake, Loaded, changed

pytestmark = pytest.mark.xdist_group("corpus")  # all files go through one lake

Key = tuple[str, date]


class Corpus:
    """All cases loaded, and what the log and the quarantine hold of them."""

    def __init__(self, intake: Intake) -> None:
        self.loaded = {
            each.name: intake.load(changed(each.feed, each.wants), each.data, each.file_name) for each in CASES
        }
        self._staged: Mapping[str, Mapping[Key, list[Row]]] = {feed: intake.staged(feed) for feed in COLUMNS}
        self._quarantined = intake.quarantined()

    def staged(self, case: Case) -> list[Row]:
        return self._staged[case.feed].get(self.loaded[case.name].key, [])

    def quarantined(self, case: Case) -> list[Row]:
        return self._quarantined.get(self.loaded[case.name].key, [])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    intake = Intake(tmp_path_factory.mktemp("corpus"))
    try:
        return Corpus(intake)
    finally:
        intake.context.engine.close()


def as_told(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def good(case: Case, found: Sequence[Row], loaded: Loaded) -> list[str]:
    shown = COLUMNS[case.feed][:-1]
    lines = [loaded.lines[int(str(row["_record"]))] for row in found]
    return [
        f"{line}: {' | '.join(as_told(row[name]) for name in shown)}" for line, row in zip(lines, found, strict=True)
    ]


def times(found: Sequence[Row], loaded: Loaded) -> dict[int, str]:
    at = {loaded.lines[int(str(row["_record"]))]: row["created_timestamp"] for row in found}
    shown = {line: str(time.replace(tzinfo=None)) if isinstance(time, datetime) else "" for line, time in at.items()}
    return {line: time for line, time in shown.items() if time != TIME}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_file_becomes_exactly_the_rows_and_reasons_that_its_case_names(corpus: Corpus, case: Case) -> None:
    loaded, staged, quarantined = corpus.loaded[case.name], corpus.staged(case), corpus.quarantined(case)
    if case.rejected:
        assert [(row["record"], row["reasons"]) for row in quarantined] == [(0, case.rejected)], loaded.file.reason
        assert (staged, loaded.file.status) == ([], "rejected")
        assert (quarantined[0]["byte_start"], quarantined[0]["byte_end"]) == (0, loaded.file.bytes)
        return
    assert loaded.file.status == "staged", loaded.file.reason
    assert good(case, staged, loaded) == list(case.good)
    assert [f"{row['line']}: {row['reasons']}" for row in quarantined] == list(case.bad)
    assert (loaded.file.counts.rows_duplicate, loaded.file.rescued_columns) == (case.repeated, case.drift)
    assert loaded.file.counts.rows_in == len(case.good) + len(case.bad) + case.repeated
    assert times(staged, loaded) == {line: time for line, time in case.times.items() if case.good and time != TIME}


def test_the_quarantine_has_the_bytes_of_its_records(corpus: Corpus) -> None:
    for case in CASES:
        loaded = corpus.loaded[case.name]
        for row in corpus.quarantined(case):
            assert row["line"] is None or case.rejected or row["line"] == loaded.lines[int(str(row["record"]))], (
                case.name
            )
            if not case.rejected:
                data = loaded.data[int(str(row["byte_start"])) : int(str(row["byte_end"]))]
                text = data.decode(loaded.file.encoding, "backslashreplace").rstrip("\r\n")
                assert text.startswith(str(row["raw"])), case.name
                assert len(str(row["raw"])) >= min(len(text), 1 << 19), case.name


def test_the_corpus_has_cases_of_all_feeds_with_names_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 150
    assert {case.feed for case in CASES} == set(COLUMNS)
