"""The header: which column is which field, and what is said about a file that is not one of this feed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cartlake.core.contract import Contract, Field
from cartlake.core.header import Layout, check_encoding, find_layout, header_text, named_delimiter
from cartlake.core.profile import Profile, Profiler
from cartlake.errors import FileRejected

HEADER = "order_id,customer_id,order_amount,created_timestamp"


def contract(
    delimiter: str | None = None, encoding: str | None = None, sequence: tuple[str, ...] | None = None
) -> Contract:
    fields = (
        Field("order_id", "string"),
        Field("order_line", "bigint", default="1"),
        Field("customer_id", "string", required=True, source_names=("Kunde", "client number")),
        Field("order_amount", "decimal(18,2)", required=True),
        Field("currency", "string"),
        Field("version", "bigint"),
        Field("updated_timestamp", "timestamp"),
        Field("created_timestamp", "timestamp"),
    )
    return Contract(
        feed="orders",
        version="1.0.0",
        description="",
        path="orders.yaml",
        folder="orders_data",
        table="orders",
        stage_table="orders_stage",
        task="orders_stage_load",
        key=("order_id", "order_line"),
        sequence=("updated_timestamp", "created_timestamp") if sequence is None else sequence,
        sequence_then=(),
        fields=fields,
        rules=(),
        relationships=(),
        file_pattern="orders_{date}.csv",
        delimiter=delimiter,
        encoding=encoding,
        decimal_mark=".",
        timezone="UTC",
        delivery="changes",
        observe=False,
        sequence_ahead_days=2,
        hash="",
    )


def rejected(header: str, of: Contract | None = None) -> FileRejected:
    with pytest.raises(FileRejected) as caught:
        find_layout(header, of or contract())
    assert caught.value.line == 1
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_the_required_columns(delimiter: str) -> None:
    layout = find_layout(HEADER.replace(",", delimiter), contract())
    columns = ("order_id", "customer_id", "order_amount", "created_timestamp")
    assert layout == Layout(delimiter, columns, columns)


def test_the_delimiter_of_the_contract_is_the_only_one_tried() -> None:
    assert find_layout(HEADER.replace(",", "^"), contract(delimiter="^")).delimiter == "^"
    assert rejected(HEADER, contract(delimiter=";")).code == "header_missing_columns"


def test_other_delimiters_may_stand_inside_the_names() -> None:
    layout = find_layout(f'{HEADER},"a;b|c,d\te"', contract())
    assert (layout.delimiter, layout.unknown) == (",", ("a;b|c,d\te",))
    layout = find_layout(f"{HEADER},a;b;c;d;e;f;g", contract())
    assert (layout.delimiter, layout.unknown) == (",", ("a;b;c;d;e;f;g",))


def test_names_are_compared_without_case_blanks_and_dashes_and_by_the_contracts_source_names() -> None:
    layout = find_layout(' Order-ID ,KUNDE,"Order  Amount",created timestamp,CURRENCY', contract())
    assert layout.columns == ("order_id", "customer_id", "order_amount", "created_timestamp", "currency")
    assert find_layout(HEADER.replace("customer_id", "Client Number"), contract()).columns[1] == "customer_id"


def test_the_order_of_columns_is_free_and_what_the_contract_lacks_is_rescued_under_its_text() -> None:
    layout = find_layout("Gift Note,created_timestamp,order_amount,_OP,customer_id,order_id,", contract())
    assert layout.columns == (None, "created_timestamp", "order_amount", "_op", "customer_id", "order_id", None)
    assert layout.names == ("Gift Note", "created_timestamp", "order_amount", "_OP", "customer_id", "order_id", "")
    assert layout.unknown == ("Gift Note", "column 7")


def test_columns_without_a_name_are_told_apart_by_their_place() -> None:
    assert find_layout(f"{HEADER},, ,", contract()).unknown == ("column 5", "column 6", "column 7")


@pytest.mark.parametrize(
    ("head", "named", "header"),
    [
        (b"sep=;\r\norder_id;note\r\nO1;x\r\n", ";", "order_id;note"),
        (b"\xef\xbb\xbfSEP=,\norder_id,note\n", ",", "order_id,note"),
        (b"sep=\t\n\norder_id\tnote\n", "\t", "order_id\tnote"),
        (b"sep=^\rorder_id^note\r", "^", "order_id^note"),
        (b"\nsep=;\norder_id;note\n", None, "sep=;"),
        (b"sep=\norder_id;note\n", None, "sep="),
        (b"sep=;;\norder_id;note\n", None, "sep=;;"),
        (b"sep=\0\norder_id\n", None, "sep=\0"),
        (b"order_id;note\nsep=,\n", None, "order_id;note"),
        (b"", None, ""),
    ],
)
def test_a_file_may_name_its_delimiter_in_its_first_line(head: bytes, named: str | None, header: str) -> None:
    assert (named_delimiter(head, "utf-8"), header_text(head, "utf-8")) == (named, header)


def test_the_contract_s_delimiter_wins_over_the_one_a_file_names_and_that_over_what_the_header_suggests() -> None:
    semicolons = HEADER.replace(",", ";")
    assert find_layout(semicolons, contract(delimiter=";"), named=",").delimiter == ";"
    assert find_layout(HEADER.replace(",", "^"), contract(), named="^").delimiter == "^"
    with pytest.raises(FileRejected) as caught:
        find_layout(semicolons, contract(), named=",")
    assert caught.value.code == "header_missing_columns"


def test_one_of_the_sequence_columns_is_enough_and_a_column_with_a_default_may_be_absent() -> None:
    assert "order_line" not in find_layout(HEADER, contract()).columns
    assert find_layout(HEADER.replace("created", "updated"), contract()).columns[3] == "updated_timestamp"
    assert find_layout(HEADER.removesuffix(",created_timestamp"), contract(sequence=())).columns[-1] == "order_amount"


def test_columns_that_order_events_of_one_time_must_be_there() -> None:
    of = replace(contract(), sequence_then=("version",))
    assert "the header lacks version;" in rejected(HEADER, of).message
    assert find_layout(f"{HEADER},version", of).columns[-1] == "version"


def test_missing_columns_are_named_with_what_was_found_and_what_is_close() -> None:
    error = rejected("order_id;custmer id;amount;gift")
    assert error.code == "header_missing_columns"
    assert error.message == (
        "the header lacks customer_id, order_amount, updated_timestamp or created_timestamp; "
        "found are 4 columns (by semicolons): order_id, custmer id, amount, gift"
    )
    assert error.hint == (
        "Perhaps custmer id is customer_id, amount is order_amount? Correct the header, "
        "or add the names it uses as source names to the contract of orders."
    )


def test_a_message_shows_a_long_header_shortened() -> None:
    names = ["order_id", *(f"note_{'x' * 100}_{number}" for number in range(200))]
    message = rejected(",".join(names)).message
    assert len(message) < 1200
    assert message.endswith(", …")
    assert "201 columns (by commas)" in message


def test_a_first_line_that_is_data_is_not_shown() -> None:
    error = rejected("ORD001,1001,ada@example.com,299.99,2025-01-15 08:30:15")
    assert error.code == "header_missing"
    assert "5 cells (by commas)" in error.message
    assert "ada" not in str(error)
    assert "ORD001" not in str(error)
    assert "order_id, customer_id, order_amount" in str(error.hint)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (f"{HEADER},Kunde", "customer_id (= customer_id), Kunde (= customer_id)"),
        (f"{HEADER},ORDER ID", "order_id (= order_id), ORDER ID (= order_id)"),
        (f"{HEADER},_op,_OP", "_op (= _op), _OP (= _op)"),
        (f"{HEADER},note,note ", "note, note"),
        (f"{HEADER}, ,column 5", "column 5, column 5"),
    ],
)
def test_two_columns_of_one_meaning_are_refused(header: str, told: str) -> None:
    error = rejected(header)
    assert (error.code, error.message) == ("header_ambiguous", f"columns of the header mean the same: {told}")


@pytest.mark.parametrize("header", [f'"{HEADER}', f'{HEADER},no"te', f'{HEADER},"note"s', "", f"{HEADER},\0"])
def test_a_header_that_cannot_be_split_is_no_table(header: str) -> None:
    assert rejected(header).code == "not_a_table"


def test_a_header_of_too_many_columns_is_no_table() -> None:
    notes = [f"note_{number}" for number in range(1997)]
    assert rejected(",".join([HEADER, *notes])).code == "not_a_table"
    assert len(find_layout(",".join([HEADER, *notes[:-1]]), contract()).names) == 2000


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"order_id,note\nO1,x\n", "order_id,note"),
        (b"\xef\xbb\xbforder_id\r\nO1", "order_id"),
        (b"\n\r\norder_id\rO1", "order_id"),
        (b'order_id,"gift\nnote"\nO1,x', 'order_id,"gift\nnote"'),
        (b'order_id,"gift\r\nnote"\r\nO1,x', 'order_id,"gift\r\nnote"'),
        (b'order_id,"note\nO1,x\nO2,y\n', 'order_id,"note'),
        ("order_id,caf\u00e9\u2028x\x85y\n".encode(), "order_id,caf\u00e9\u2028x\x85y"),
        (b"order_id,\xff\n", "order_id,\ufffd"),
        (b"", ""),
    ],
)
def test_the_header_text_is_the_first_line_that_is_not_blank_as_far_as_its_quotes_reach(
    head: bytes, expected: str
) -> None:
    assert header_text(head, "utf-8") == expected
    assert header_text(expected.encode("utf-16-le"), "utf-16-le") == expected


def profile(data: bytes) -> Profile:
    profiler = Profiler()
    profiler.update(data)
    return profiler.finish()


def refused(data: bytes, of: Contract | None = None) -> FileRejected:
    with pytest.raises(FileRejected) as caught:
        check_encoding(profile(data), data[:64], of or contract())
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("data", "named", "codec"),
    [
        (b"order_id\nO1\n", None, "utf-8"),
        ("order_id\nCaf\u00e9\n".encode(), None, "utf-8"),
        ("\ufefforder_id\n".encode(), "windows-1252", "utf-8"),
        (b"\xef\xbb\xbforder_id\n\xe9\n", None, "utf-8"),
        ("\ufefforder_id\n".encode("utf-16-le"), None, "utf-16-le"),
        ("\ufefforder_id\n".encode("utf-16-be"), "utf-8", "utf-16-be"),
        ("order_id\n".encode("utf-16-le"), "utf-16", "utf-16-le"),
        ("order_id\n".encode("utf-16-be"), "utf-16-be", "utf-16-be"),
        (b"order_id\nCaf\xe9\n", "windows-1252", "cp1252"),
        (b"order_id\nCaf\xe9\n", "iso-8859-1", "iso8859-1"),
        (b"{order_id}\nO1\n", None, "utf-8"),
        (b"PK,order_id\n", None, "utf-8"),
        (b"order_id\nO\0\n", None, "utf-8"),
        (b"o\0\0\0" * 20 + b"\n", None, "utf-8"),
    ],
)
def test_the_encoding_is_that_of_the_mark_else_of_the_contract_else_utf_8(
    data: bytes, named: str | None, codec: str
) -> None:
    assert check_encoding(profile(data), data, contract(encoding=named)) == codec


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n", b"\xff\xfe"])
def test_a_file_without_a_line_is_empty(data: bytes) -> None:
    assert refused(data).code == "file_empty"


def test_a_file_with_only_a_header_is_not_empty() -> None:
    assert check_encoding(profile(b"order_id"), b"order_id", contract()) == "utf-8"


@pytest.mark.parametrize(
    ("data", "like"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\x03\x04\x14\0\x06\0", "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"),
        (b"\x1f\x8b\x08\0\0", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\n <!DOCTYPE html>\n<p>Sign in</p>", "HTML"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "XML"),
        (b'{"order_id": 1}\n{"order_id": 2}\n', "JSON"),
        (b'[\n  {"order_id": 1}]', "JSON"),
        ('\ufeff{"order_id": 1}'.encode("utf-16-le"), "JSON"),
    ],
)
def test_a_file_that_is_no_csv_is_told_what_it_looks_like(data: bytes, like: str) -> None:
    error = refused(data, contract(encoding="windows-1252"))
    assert error.code == "not_csv"
    assert like in error.message
    assert ("format: ndjson" in (error.hint or "")) == (like == "JSON")


@pytest.mark.parametrize(
    ("data", "offset", "likely"),
    [
        (b"order_id\nCaf\xe9\n", 12, "windows-1252"),
        (b"order_id\n\x81\xe9\n", 9, "iso-8859-1"),
        ("order_id\nO1\n".encode("utf-16-le"), 0, "utf-16-le"),
        ("order_id\nO1\n".encode("utf-16-be"), 0, "utf-16-be"),
        (b"order_id\n" + b"O1\n" * 100 + b"\xff", 309, "windows-1252"),
    ],
)
def test_a_file_that_is_not_utf_8_is_told_where_and_what_it_may_be(data: bytes, offset: int, likely: str) -> None:
    error = refused(data)
    assert error.code == "not_utf8"
    assert f"from byte {offset} on; it may be {likely}" in error.message
    assert f"`encoding: {likely}`" in str(error.hint)
