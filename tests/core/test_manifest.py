from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.manifest import MAX_BYTES, ExpectedFile, differs, parse_manifest, render_manifest
from cartlake.core.names import check_file_name
from cartlake.errors import ManifestRefused

LEAST: dict[str, object] = {"batch_date": "2025-01-15", "expected_files": ["orders_2025_01_15.csv"]}
SHA = "0123456789abcdef" * 4


def data_of(**keys: object) -> bytes:
    """The least manifest with these keys; a key given as ... is left out."""
    return json.dumps({key: value for key, value in (LEAST | keys).items() if value is not ...}).encode()


def refusal(data: bytes) -> ManifestRefused:
    with pytest.raises(ManifestRefused) as caught:
        parse_manifest("trigger.json", data)
    assert caught.value.file == "trigger.json"
    return caught.value


def test_the_manifest_of_the_first_sample_day_is_read(sample_data: Path) -> None:
    data = (sample_data / "2025_01_15/trigger_file/trigger_2025_01_15.json").read_bytes()
    manifest = parse_manifest("trigger_2025_01_15.json", data)
    assert manifest.batch_id == "batch_2025_01_15_001"
    assert manifest.batch_date == date(2025, 1, 15)
    assert manifest.ready
    assert [file.name.split("_")[0] for file in manifest.files] == [
        "orders", "customers", "products", "inventory", "shipping",
    ]  # fmt: skip
    assert manifest.triggered_at == datetime(2025, 1, 15, 10, tzinfo=UTC)
    assert manifest.source_system == "ecommerce_platform"
    assert manifest.revision is None
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert json.loads(manifest.text)["metadata"]["created_by"] == "client_data_team"


def test_the_other_shape_of_the_second_sample_day_is_read(sample_data: Path) -> None:
    data = (sample_data / "2025_01_16/trigger_file/trigger_2025_01_16.json").read_bytes()
    manifest = parse_manifest("trigger_2025_01_16.json", data)
    assert (manifest.batch_id, manifest.batch_date) == ("TRG_20250116_001", date(2025, 1, 16))
    assert len(manifest.files) == 5
    assert manifest.source_system is None


def test_without_a_trigger_id_the_content_names_the_batch() -> None:
    data = data_of()
    assert parse_manifest("a.json", data).batch_id == f"batch-{hashlib.sha256(data).hexdigest()[:12]}"
    assert parse_manifest("a.json", data_of(trigger_id=None)).batch_id.startswith("batch-")


def test_data_files_ready_false_only_announces_and_its_absence_means_ready() -> None:
    assert not parse_manifest("a.json", data_of(data_files_ready=False)).ready
    assert parse_manifest("a.json", data_of()).ready


def test_unknown_keys_are_kept_in_the_text() -> None:
    assert json.loads(parse_manifest("a.json", data_of(priority={"level": [1, None]})).text)["priority"]["level"] == [
        1,
        None,
    ]


def test_a_byte_order_mark_is_accepted_and_not_kept() -> None:
    manifest = parse_manifest("a.json", b"\xef\xbb\xbf" + data_of())
    assert manifest.text == data_of().decode()


def test_files_may_carry_rows_bytes_and_hash() -> None:
    entry = {"name": "orders.csv", "rows": 20, "bytes": 0, "sha256": SHA.upper(), "checked_by": "Ana"}
    manifest = parse_manifest("a.json", data_of(expected_files=..., files=[entry, {"name": "products.csv"}]))
    assert manifest.files == (ExpectedFile("orders.csv", 20, 0, SHA), ExpectedFile("products.csv"))


def test_a_file_named_in_both_lists_is_one_file_with_its_details() -> None:
    data = data_of(expected_files=["orders.csv", "products.csv"], files=[{"name": "Orders.csv", "rows": 20}])
    assert parse_manifest("a.json", data).files == (ExpectedFile("Orders.csv", 20), ExpectedFile("products.csv"))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-01-15T10:00:00Z", datetime(2025, 1, 15, 10, tzinfo=UTC)),
        ("2025-01-15T10:00:00+02:00", datetime(2025, 1, 15, 8, tzinfo=UTC)),
        ("2025-01-15 10:00", datetime(2025, 1, 15, 10, tzinfo=UTC)),
        ("2025-01-15T10:00:00.123456", datetime(2025, 1, 15, 10, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_the_trigger_time_is_an_instant_in_utc(text: str, time: datetime) -> None:
    manifest = parse_manifest("a.json", data_of(trigger_timestamp=text))
    assert manifest.triggered_at == time
    assert manifest.triggered_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"trigger_id": 17}, "trigger_id"),
        ({"trigger_id": ""}, "trigger_id"),
        ({"trigger_id": "x" * 101}, "trigger_id"),
        ({"trigger_id": "../orders"}, "trigger_id"),
        ({"trigger_id": "a b"}, "trigger_id"),
        ({"trigger_id": "Größe"}, "trigger_id"),
        ({"trigger_id": "--force"}, "trigger_id"),
        (
            {
                "trigger_id": "..",
            },
            "trigger_id",
        ),
        ({"batch_date": ...}, "batch_date"),
        ({"batch_date": None}, "batch_date"),
        ({"batch_date": 20250115}, "batch_date"),
        ({"batch_date": "15.01.2025"}, "batch_date"),
        ({"batch_date": "20250115"}, "batch_date"),
        ({"batch_date": "2025-W03-3"}, "batch_date"),
        ({"batch_date": "2025-02-30"}, "batch_date"),
        ({"batch_date": "1899-12-31"}, "batch_date"),
        ({"batch_date": "2262-01-01"}, "batch_date"),
        ({"batch_date": "2025-01-15\n"}, "batch_date"),
        ({"data_files_ready": "true"}, "data_files_ready"),
        ({"data_files_ready": 1}, "data_files_ready"),
        ({"data_files_ready": None}, "data_files_ready"),
        ({"revision": "2"}, "revision"),
        ({"revision": True}, "revision"),
        ({"revision": -1}, "revision"),
        ({"revision": 2**63}, "revision"),
        ({"trigger_timestamp": "yesterday"}, "trigger_timestamp"),
        ({"trigger_timestamp": 1736935200}, "trigger_timestamp"),
        ({"trigger_timestamp": "0001-01-01T00:00:00+14:00"}, "trigger_timestamp"),
        ({"trigger_timestamp": "2025-01-15T25:00:00Z"}, "trigger_timestamp"),
        ({"source_system": ["erp"]}, "source_system"),
        ({"source_system": "erp\n"}, "source_system"),
        ({"source_system": "\ud800"}, "source_system"),
        ({"expected_files": "orders.csv"}, "expected_files"),
        ({"files": {"name": "orders.csv"}}, "files"),
        ({"files": ["orders.csv"]}, "files"),
        ({"files": [{"name": "orders.csv", "rows": 1.5}]}, "rows"),
        ({"files": [{"name": "orders.csv", "bytes": -1}]}, "bytes"),
        ({"files": [{"name": "orders.csv", "sha256": "abc"}]}, "sha256"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_name(keys: dict[str, object], said: str) -> None:
    error = refusal(data_of(**keys))
    assert error.code == "manifest_field"
    assert f'"{said}"' in error.message


@pytest.mark.parametrize(
    "name",
    ["../orders.csv", "/etc/passwd", "a\\b.csv", "~$orders.xlsx", "NUL", "a\x00b", "\ud800.csv", "", 5, None, ["x"]],
)
def test_a_manifest_with_a_path_or_another_bad_name_in_it_is_refused(name: object) -> None:
    assert refusal(data_of(expected_files=["orders.csv", name])).code == "manifest_file_name"
    assert refusal(data_of(files=[{"name": name}])).code == "manifest_file_name"


@pytest.mark.parametrize(
    "keys", [{"expected_files": ["a.csv", "A.CSV"]}, {"files": [{"name": "a.csv"}, {"name": "a.csv"}]}]
)
def test_a_file_named_twice_is_refused_also_if_only_the_case_differs(keys: dict[str, object]) -> None:
    assert refusal(data_of(**keys)).code == "manifest_duplicate_file"


@pytest.mark.parametrize(
    "keys", [{"expected_files": []}, {"expected_files": ...}, {"expected_files": None, "files": []}]
)
def test_a_manifest_that_names_no_file_is_refused(keys: dict[str, object]) -> None:
    assert refusal(data_of(**keys)).code == "manifest_names_no_file"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "manifest_not_json"),
        (b"order_id,amount\n1,2\n", "manifest_not_json"),
        (b'{"batch_date": NaN}', "manifest_not_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "manifest_not_json"),
        (b'{"a": "' + b'\\"' * 200_000, "manifest_not_json"),
        (b"[]", "manifest_not_object"),
        (b'"orders.csv"', "manifest_not_object"),
        (b"null", "manifest_not_object"),
        (b"[" * 500_000, "manifest_too_deep"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "manifest_too_deep"),
        (b'{"batch_date": "2025-01-15", "batch_date": "2025-01-16"}', "manifest_duplicate_key"),
        (b'{"metadata": {"a": 1, "a": 1}}', "manifest_duplicate_key"),
        (b" " * (MAX_BYTES + 1), "manifest_too_large"),
        (b'{"client": "Caf\xe9"}', "manifest_not_utf8"),
        (json.dumps(LEAST).encode("utf-16"), "manifest_not_utf8"),
    ],
)
def test_what_is_no_strict_json_object_of_moderate_size_is_refused(data: bytes, code: str) -> None:
    assert refusal(data).code == code


def test_twenty_levels_and_brackets_inside_texts_are_accepted() -> None:
    deep = json.loads("[" * 19 + "]" * 19)
    assert parse_manifest("a.json", data_of(metadata=deep, note='[[{{"[' * 50)).batch_date == date(2025, 1, 15)


def test_a_manifest_of_just_the_limit_is_read() -> None:
    assert parse_manifest("a.json", data_of().ljust(MAX_BYTES)).files == (ExpectedFile("orders_2025_01_15.csv"),)


def test_a_refusal_says_the_line_and_the_column() -> None:
    error = refusal(b'{\n  "batch_date": "2025-01-15",\n  "expected_files": [,]\n}')
    assert (error.line, error.column) == (3, 22)
    assert refusal(b'{\n "batch_date":\n "x"}').line == 2
    assert refusal(b'{"client":\n "Caf\xe9"}').line == 2


def test_a_refusal_shows_no_control_characters() -> None:
    with pytest.raises(ManifestRefused) as caught:
        parse_manifest("trigger\x1b[2J.json", data_of(expected_files=["a\x1b[2J.csv"]))
    assert "\x1b" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["trigger_id", "trigger_timestamp", "batch_date", "data_files_ready", "revision", "source_system"]
)
keys |= st.sampled_from(["expected_files", "files"])
texts = st.sampled_from(["2025-01-15", "orders.csv", "2025-01-15T10:00:00Z", "../x", "\ud800"])
named = st.fixed_dictionaries(
    {}, optional={"name": texts | anything, "rows": anything, "bytes": anything, "sha256": anything}
)


@given(st.dictionaries(keys, anything | texts | st.lists(texts | named, max_size=3), max_size=8))
def test_whatever_json_arrives_it_is_a_manifest_or_refused(body: dict[str, object]) -> None:
    try:
        manifest = parse_manifest("a.json", json.dumps(LEAST | body).encode())
    except ManifestRefused:
        return
    assert manifest.files
    assert not any(check_file_name(file.name) for file in manifest.files)
    manifest.batch_id.encode(), (manifest.source_system or "").encode()


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ 0a\n', max_size=200).map(str.encode))
def test_whatever_bytes_arrive_only_a_refusal_comes_out(data: bytes) -> None:
    with contextlib.suppress(ManifestRefused):
        parse_manifest("a.json", data)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
files = st.builds(
    ExpectedFile,
    names.filter(lambda name: check_file_name(name) is None),
    st.none() | st.integers(0, 2**63 - 1),
    st.none() | st.integers(0, 2**63 - 1),
    st.none() | st.just(SHA),
)
times = st.datetimes(datetime(1901, 1, 1), datetime(2260, 1, 1), timezones=st.just(UTC))


@given(
    st.dates(date(1900, 1, 1), date(2261, 12, 31)),
    st.lists(files, min_size=1, unique_by=lambda f: f.key),
    st.none() | times,
)
def test_a_rendered_manifest_is_read_back_as_given(
    day: date, expected: list[ExpectedFile], triggered_at: datetime | None
) -> None:
    manifest = parse_manifest("a.json", render_manifest("2025-01-15-1", day, expected, triggered_at))
    assert manifest.files == tuple(expected)
    assert (manifest.batch_id, manifest.batch_date, manifest.ready) == ("2025-01-15-1", day, True)
    assert manifest.triggered_at == triggered_at


def test_a_claimed_file_is_compared_with_what_its_manifest_says() -> None:
    expected = ExpectedFile("orders.csv", rows=20, bytes=100, sha256=SHA)
    assert differs(expected, rows=20, content=(100, SHA)) is None
    assert differs(expected, rows=None, content=(100, SHA)) is None
    assert differs(expected, rows=19, content=(100, SHA)) == "rows is 19, the manifest says 20"
    assert "bytes is 99" in (differs(expected, rows=20, content=(99, SHA)) or "")
    assert "sha256" in (differs(expected, rows=20, content=(100, "0" * 64)) or "")
    assert differs(ExpectedFile("orders.csv"), rows=1, content=(1, "0" * 64)) is None
    assert (
        differs(ExpectedFile("orders.csv", rows=0), rows=3, content=(1, "0" * 64)) == "rows is 3, the manifest says 0"
    )
