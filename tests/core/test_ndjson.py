"""JSON records: what is one, what its cells are, and that no byte is lost."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.contract import Contract, Field
from cartlake.core.items import Bad, Blank, Item, Record
from cartlake.core.lines import physical_lines
from cartlake.core.ndjson import JsonLayout, find_json_layout
from cartlake.core.odcs import parse_contract
from cartlake.core.profile import MAX_LINE, Profiler, Split
from cartlake.errors import ContractError, FileRejected

EXAMPLE = Path(__file__).parents[2] / "examples" / "payments_changes" / "contracts" / "payments.yaml"
REVIEWS = """\
apiVersion: v3.1.0
kind: DataContract
id: reviews
name: reviews
version: "1.0"
status: active
customProperties:
  - {property: format, value: ndjson}
  - {property: sequenceBy, value: written_at}
schema:
  - name: reviews
    properties:
      - {name: review_id, logicalType: string, primaryKey: true}
      - {name: stars, logicalType: integer}
      - {name: paid, logicalType: number, physicalType: "decimal(18,4)"}
      - {name: city, logicalType: string, physicalName: author.address.city}
      - {name: channel, logicalType: string, customProperties: [{property: default, value: web}]}
      - {name: written_at, logicalType: timestamp}
"""


def contract(old: str = "", new: str = "") -> Contract:
    assert not old or REVIEWS.count(old) == 1
    return parse_contract(REVIEWS.replace(old, new) if old else REVIEWS, "reviews.yaml")


def items(data: bytes, of: Contract | None = None, begin: Split | None = None) -> list[Item]:
    found = of or contract()
    layout = JsonLayout("", (), (), found)
    return list(layout.items(physical_lines(io.BytesIO(data)), "utf-8", begin))


def cells(text: str, of: Contract | None = None) -> dict[str, str | None]:
    found = of or contract()
    (record,) = items(text.encode(), found)
    assert isinstance(record, Record), record
    columns = (*(field.name for field in found.fields), "_op", "_unknown", "_rest")
    return {name: cell for name, cell in zip(columns, record.cells, strict=True) if cell is not None}


def reason(data: str | bytes, of: Contract | None = None) -> str:
    (bad,) = items(data if isinstance(data, bytes) else data.encode(), of)
    assert isinstance(bad, Bad), bad
    return bad.reason


def test_entries_are_cells_by_name_whatever_their_order_and_spelling() -> None:
    found = cells('{"Stars": 5, "REVIEW-ID": "R-1", "written at": "2025-03-01", "channel": null, "_op": "D"}')
    assert found == {"review_id": "R-1", "stars": "5", "written_at": "2025-03-01", "_op": "D"}


def test_a_missing_entry_takes_the_default_and_null_is_null() -> None:
    assert cells('{"review_id": "R-1"}')["channel"] == "web"
    assert "channel" not in cells('{"review_id": "R-1", "channel": null}')


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("19.90", "19.90"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.2345678E7", "12345678"),
        ("-4e-3", "-0.004"),
        ("1e999", "1e999"),
        ('"19,90"', "19,90"),
    ],
)
def test_numbers_are_what_is_written_and_never_floats(written: str, read: str) -> None:
    assert cells(f'{{"paid": {written}}}')["paid"] == read


def test_a_name_with_points_reads_an_entry_inside_others() -> None:
    found = cells('{"author": {"name": "Kim", "address": {"city": "Ghent", "zip": [9000]}}}')
    assert found["city"] == "Ghent"
    assert json.loads(str(found["_rest"])) == {"author.name": "Kim", "author.address.zip": "[9000]"}


def test_what_no_column_takes_is_kept_as_it_was_written() -> None:
    found = cells('{"review_id": "R-1", "size": 1.50, "tags": ["a", {"n": 1e2}], "gone": null, "ok": true}')
    assert json.loads(str(found["_rest"])) == {"size": "1.50", "tags": '["a",{"n":1e2}]', "ok": "true"}
    assert found["_unknown"] == "ok,size,tags"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{'review_id': 1}", "not_json"),
        ('{"review_id": "R-1",}', "not_json"),
        ('{"review_id": "R-1"} {"review_id": "R-2"}', "not_json"),
        ('{"review_id": "R-', "not_json"),
        ('{"paid": NaN}', "not_json"),
        ('{"paid": -Infinity}', "not_json"),
        ('{"paid": 01}', "not_json"),
        ('{"review_id": "a\tb"}', "not_json"),
        ("null", "not_an_object"),
        ('["R-1"]', "not_an_object"),
        ('{"stars": 1, "stars": 2}', "duplicate_key"),
        ('{"more": {"a": 1, "a": 1}}', "duplicate_key"),
        ('{"stars": 1, "STARS": 2}', "duplicate_key"),
        ('{"stars": [5]}', "nested_value"),
        ('{"more": ' + "[" * 60 + "]" * 60 + "}", "nested_too_deep"),
        ("[" * 500_000, "nested_too_deep"),
        (b'{"review_id": "\xff"}', "undecodable"),
        ('{"review_id": "\\ud83d"}', "undecodable"),
        ('{"review_id": "a\0"}', "nul_byte"),
        ('{"review_id": "a\\u0000"}', "nul_byte"),
        ('{"review_id": "' + "x" * MAX_LINE + '"}', "line_too_long"),
    ],
)
def test_a_line_that_is_no_record_says_why(data: str | bytes, code: str) -> None:
    assert reason(data) == code


def test_brackets_in_a_text_are_no_nesting() -> None:
    assert cells(json.dumps({"review_id": "[" * 100}))["review_id"] == "[" * 100


lines = st.sampled_from(
    [b'{"review_id":"R-1"}', b"", b"  ", b"null", b"{", b'{"a":1,"a":2}', b"\xff", b'{"review_id":"\xc3\xa9"}', b"[]"]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.data())
def test_every_byte_is_in_one_item_and_a_part_is_read_as_in_the_whole(
    parts: list[tuple[bytes, bytes]], mark: bytes, data: st.DataObject
) -> None:
    whole = mark + b"".join(line + end for line, end in parts)
    found = items(whole)
    places = [(item.start, item.end) for item in found]
    assert [start for start, _ in places] == [0, *(end for _, end in places)][: len(places)]
    assert (places[-1][1] if places else 0) == len(whole)
    assert [item.line for item in found] == list(range(1, len(found) + 1))
    assert all(item.ordinal == item.line for item in found if isinstance(item, Record | Bad))
    if found:
        first = data.draw(st.sampled_from(found))
        part = Split(first.start, first.line) if first.start else None
        assert items(whole[first.start :], begin=part) == found[found.index(first) :]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b'[{"review_id": "R-1"}]', "one JSON document"),
        (b'[\n  {"review_id": "R-1"},\n', "one JSON document"),
        (b'{\n  "review_id": "R-1"\n}', "one JSON document"),
        (b"review_id,stars\nR-1,5\n", "no line of the file is a JSON object"),
        (b"\x1f\x8b\x08\0", "no line of the file is a JSON object"),
    ],
)
def test_a_file_that_cannot_be_records_is_rejected(head: bytes, said: str) -> None:
    with pytest.raises(FileRejected, match=said) as caught:
        layout(head)
    assert caught.value.code == "not_ndjson"


def test_one_bad_line_does_not_reject_a_file() -> None:
    assert layout(b'[1]\n{"review_id": "R-1"}\n').columns[-1] == "_rest"


def test_a_file_without_records_is_rejected_unless_its_manifest_says_so() -> None:
    with pytest.raises(FileRejected, match="empty"):
        layout(b"\n")
    assert layout(b"", may_be_empty=True).columns[-3] == "_op"


def layout(head: bytes, *, may_be_empty: bool = False) -> JsonLayout:
    profiler = Profiler()
    profiler.update(head)
    return find_json_layout(profiler.finish(), head, contract(), may_be_empty=may_be_empty)


# --- values in an encoding


def encoded(kind: str, encoding: str, value: object) -> str | None:
    field = Field("paid", kind, encoding=encoding)  # type: ignore[arg-type]
    of = replace(contract(), fields=(field,))
    return cells(json.dumps({"paid": value}), of).get("paid")


@pytest.mark.parametrize(
    ("kind", "encoding", "value", "text"),
    [
        ("date", "epoch_days", 20150, "2025-03-03"),
        ("date", "epoch_days", -1, "1969-12-31"),
        ("date", "epoch_days", "2025-03-03", '"2025-03-03"'),
        ("date", "epoch_days", 10**15, "1000000000000000"),
        ("timestamp", "epoch_millis", 1741003200123, "2025-03-03T12:00:00.123000Z"),
        ("timestamp", "epoch_micros", "1741003200000001", "2025-03-03T12:00:00.000001Z"),
        ("timestamp", "epoch_nanos", 1741003200000001999, "2025-03-03T12:00:00.000001Z"),
        ("timestamp", "epoch_millis", -1, "1969-12-31T23:59:59.999000Z"),
        ("timestamp", "epoch_millis", 1.5, "1.5"),
        ("decimal(12,2)", "base64", "AeJA", "1234.56"),
        ("decimal(12,2)", "base64", "/w==", "-0.01"),
        ("decimal(12,0)", "base64", "AeJA", "123456"),
        ("decimal(12,2)", "base64", "12.50", '"12.50"'),
        ("decimal(12,2)", "base64", 12.5, "12.5"),
        ("decimal(12,2)", "base64", {"scale": 3, "value": "AeJA"}, "123.456"),
        ("decimal(12,2)", "base64", {"value": "AeJA"}, '{"value":"AeJA"}'),
        ("string", "json", ["a", {"n": 1}], '["a",{"n":1}]'),
        ("string", "json", "a", "a"),
        ("string", "json", None, None),
    ],
)
def test_a_value_is_read_in_the_encoding_of_its_column_and_in_no_other(
    kind: str, encoding: str, value: object, text: str | None
) -> None:
    assert encoded(kind, encoding, value) == text


# --- changes of a database

PAYMENTS = parse_contract(EXAMPLE.read_text("utf-8"), "payments.yaml")
ROW = {"payment_id": 7, "order_id": "A-1", "amount": "CZI=", "status": "new", "authorized_at": 1741003200000000}


def envelope(op: object = "u", *, bare: bool = True, **changes: object) -> str:
    said = {"before": None, "after": ROW, "source": {"ts_ms": 1741003200123, "lsn": 42}, "op": op, "ts_ms": 1}
    return json.dumps(said | changes if bare else {"schema": {"type": "struct"}, "payload": said | changes})


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("op", ["c", "r", "u"])
def test_a_change_is_its_row_at_the_place_that_its_source_names(op: str, bare: bool) -> None:
    assert cells(envelope(op, bare=bare), PAYMENTS) == {
        "payment_id": "7",
        "order_id": "A-1",
        "amount": "24.50",
        "status": "new",
        "authorized_at": "2025-03-03T12:00:00",  # a wall clock: it has no zone
        "changed_at": "2025-03-03T12:00:00.123000Z",
        "position": "42",
        "_op": "upsert",
    }


def test_a_delete_has_the_key_of_the_row_before_and_nothing_else_of_it() -> None:
    found = cells(envelope("d", before=ROW | {"position": 9, "amount": [1]}, after=None), PAYMENTS)
    changed = {"changed_at": "2025-03-03T12:00:00.123000Z", "position": "42"}
    assert found == {"payment_id": "7", "_op": "delete"} | changed


def test_a_column_of_the_row_is_never_the_sequence() -> None:
    found = cells(envelope(after=ROW | {"changed_at": 1, "position": 2, "source": "x"}), PAYMENTS)
    assert (found["changed_at"], found["position"]) == ("2025-03-03T12:00:00.123000Z", "42")
    assert json.loads(str(found["_rest"])) == {"changed_at": "1", "position": "2", "source": "x"}


@pytest.mark.parametrize("line", ["", "null", '{"schema": null, "payload": null}'])
def test_a_tombstone_is_a_blank_line(line: str) -> None:
    assert items(f"{line}\n".encode(), PAYMENTS) == [Blank(1, 0, len(line) + 1)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (envelope("t", after=None), "truncate_refused"),
        (envelope("d", after=ROW), "row_missing"),
        (envelope("c", after=None), "row_missing"),
        (envelope(source=None), "not_an_envelope"),
        (envelope(None), "not_an_envelope"),
        (json.dumps(ROW), "not_an_envelope"),
        ("[]", "not_an_envelope"),
        (envelope(after=ROW | {"status": "__debezium_unavailable_value"}), "value_unavailable"),
    ],
)
def test_a_line_that_is_no_change_says_why(line: str, code: str) -> None:
    assert reason(line, PAYMENTS) == code


def test_a_value_that_the_source_did_not_send_is_as_before_where_the_contract_says_so() -> None:
    fields = (replace(field, ignore_null_updates=field.name == "status") for field in PAYMENTS.fields)
    line = envelope(after=ROW | {"status": "__debezium_unavailable_value"})
    assert "status" not in cells(line, replace(PAYMENTS, fields=tuple(fields)))


def test_an_operation_that_nobody_knows_is_left_to_the_rule_for_it() -> None:
    assert cells(envelope("m"), PAYMENTS)["_op"] == "m"


# --- contracts


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value: ndjson}", "value: json}", "`json` is not possible here"),
        ("value: ndjson}", 'value: ndjson}\n  - {property: delimiter, value: ";"}', "`delimiter` is for CSV"),
        ("value: ndjson}", 'value: ndjson}\n  - {property: decimalMark, value: ","}', "`decimalMark` is for CSV"),
        ("value: ndjson}", "value: debezium}", "`written_at` is not read from there"),
        ("name: channel,", "name: author,", "`author.address.city` lies inside it"),
        ("property: default, value: web", "property: encoding, value: base64", "`base64` is not possible here"),
    ],
)
def test_a_contract_that_its_format_cannot_keep_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        contract(old, new)
    assert caught.value.line


def test_an_encoding_is_for_json_only() -> None:
    text = REVIEWS.replace("value: ndjson}", "value: csv}").replace("default, value: web", "encoding, value: json")
    with pytest.raises(ContractError, match="only JSON records"):
        parse_contract(text, "reviews.yaml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value: epoch_millis", "value: epoch_micros", "`changed_at` is not read from there"),
        ("physicalName: source.lsn", "physicalName: lsn", "`position` is not read from there"),
        ("{property: sequenceBy, value: changed_at}", "{property: sequenceBy, value: batch}", "times of their own"),
        ("{property: sequenceBy, value: changed_at}", "{property: delivery, value: snapshot}", "times of their own"),
    ],
)
def test_changes_are_in_the_order_of_their_source(old: str, new: str, said: str) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert text.count(old) == 1
    with pytest.raises(ContractError, match=said):
        parse_contract(text.replace(old, new), "payments.yaml")
