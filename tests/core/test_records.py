"""Records: every byte of a file belongs to one item, and nothing readable is lost beside what is not."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartlake.core import lines as core_lines
from cartlake.core import profile as core_profile
from cartlake.core import records
from cartlake.core.items import Bad, Blank, Header, Item, Record
from cartlake.core.lines import LongLine, physical_lines, raw_lines
from cartlake.core.profile import Profile, Profiler
from cartlake.core.records import Dialect, split

H = b"id,name,qty\n"
HEADER = Header(1, 0, 12, ("id", "name", "qty"))


def profile(data: bytes, chunk: int = 1 << 20) -> Profile:
    profiler = Profiler()
    for start in range(0, len(data), chunk):
        profiler.update(data[start : start + chunk])
    return profiler.finish()


def items(
    data: bytes, delimiter: str = ",", width: int = 3, encoding: str = "utf-8", limit: int = 1 << 20
) -> list[Item]:
    lines = physical_lines(io.BytesIO(data), encoding, limit)
    return list(split(lines, Dialect(delimiter, width, encoding, limit)))


def told(found: list[Item]) -> list[tuple[object, ...]]:
    """Items without their places: what was read, in order."""
    return [
        item.cells if isinstance(item, Record) else (item.reason,) for item in found if isinstance(item, Record | Bad)
    ]


def assert_partition(data: bytes, found: list[Item]) -> None:
    assert [item.start for item in found] == [0, *(item.end for item in found)][:-1]
    assert (found[-1].end if found else 0) == len(data)
    assert all(item.start < item.end for item in found)
    numbered = [item.ordinal for item in found if isinstance(item, Record | Bad)]
    assert numbered == list(range(1, len(numbered) + 1))


# What stands behind the header `id,name,qty`, and what is read: cells of records, (reason,) of bad lines.
ODD = [
    ("nothing but the header", b"", []),
    ("a plain record", b"1,lamp,2\n", [("1", "lamp", "2")]),
    ("no line end at the end", b"1,lamp,2", [("1", "lamp", "2")]),
    ("CRLF", b"1,lamp,2\r\n2,desk,1\r\n", [("1", "lamp", "2"), ("2", "desk", "1")]),
    ("CR alone", b"1,lamp,2\r2,desk,1\r", [("1", "lamp", "2"), ("2", "desk", "1")]),
    (
        "all line ends",
        b"1,a,2\r2,b,1\r\n3,c,1\n4,d,1",
        [("1", "a", "2"), ("2", "b", "1"), ("3", "c", "1"), ("4", "d", "1")],
    ),
    ("blank lines", b"\n1,lamp,2\n\r\n\r\n2,desk,1\n\n", [("1", "lamp", "2"), ("2", "desk", "1")]),
    ("a line of blanks is no blank line", b"  \n", [("too_few_cells",)]),
    ("empty cells, quoted or not", b'1,,""\n', [("1", None, None)]),
    ("only delimiters", b",,\n", [(None, None, None)]),
    ("blanks are kept", b"1, lamp ,\t2\n", [("1", " lamp ", "\t2")]),
    ("a quoted delimiter", b'1,"lamp, red",2\n', [("1", "lamp, red", "2")]),
    ("all cells quoted", b'"1","lamp","2"\r\n', [("1", "lamp", "2")]),
    ("doubled quotes", b'1,"19"" desk",2\n2,"""",1\n', [("1", '19" desk', "2"), ("2", '"', "1")]),
    ("a quoted newline", b'1,"lamp\nred",2\n2,desk,1\n', [("1", "lamp\nred", "2"), ("2", "desk", "1")]),
    ("quoted newlines of all kinds", b'1,"a\r\nb\rc\n\nd",2\n', [("1", "a\r\nb\rc\n\nd", "2")]),
    ("quoted newlines where two cells meet", b'1,"a\r","\nb"\n' * 5, [("1", "a\r", "\nb")] * 5),
    ("a quote closed two lines on, by a doubled one too", b'1,"a\nb"",\nc",2\n', [("1", 'a\nb",\nc', "2")]),
    ("a quote inside a cell", b'1,19" desk,2\n2,lamp,1\n', [("stray_quote",), ("2", "lamp", "1")]),
    ("two quotes inside a cell", b'1,a "red" lamp,2\n', [("stray_quote",)]),
    ("a blank before the quote", b'1, "lamp",2\n', [("stray_quote",)]),
    ("text behind the closing quote", b'1,"lamp" red,2\n', [("stray_quote",)]),
    ("a stray quote beside a well-formed one", b'1,a"b,"a""b"\n', [("stray_quote",)]),
    ("an unclosed quote at the start", b'"1,lamp,2\n2,desk,1\n', [("unclosed_quote",), ("2", "desk", "1")]),
    ("an unclosed quote in the middle", b'1,"lamp,2\n2,desk,1\n', [("unclosed_quote",), ("2", "desk", "1")]),
    ("an unclosed quote in the last cell", b'1,lamp,"2\n2,desk,1\n', [("unclosed_quote",), ("2", "desk", "1")]),
    ("an unclosed quote in the last line", b'2,desk,1\n1,"lamp', [("2", "desk", "1"), ("unclosed_quote",)]),
    ("a quote that is the whole line", b'"\n2,desk,1\n', [("unclosed_quote",), ("2", "desk", "1")]),
    (
        "an unclosed quote before a well quoted record",
        b'1,"lamp,2\n2,"desk",1\n3,chair,4\n',
        [("unclosed_quote",), ("2", "desk", "1"), ("3", "chair", "4")],
    ),
    (
        "an unclosed quote, three records on closed by accident, too wide",
        b'1,"lamp,2\n2,desk,1\n3,b",4\n4,chair,4\n',
        [("1", "lamp,2\n2,desk,1\n3,b", "4"), ("4", "chair", "4")],
    ),
    (
        "a record over two lines that is too short costs its first line, then its rest",
        b'1,"lamp\nred"\n2,desk,1\n',
        [("too_few_cells",), ("stray_quote",), ("2", "desk", "1")],
    ),
    ("a quote that only a stray one could close", b'1,"lamp,2\n2,des"k,1\n', [("unclosed_quote",), ("stray_quote",)]),
    ("too few cells", b"1,lamp\n2,desk,1\n", [("too_few_cells",), ("2", "desk", "1")]),
    ("too many cells", b"1,lamp,2,3\n2,desk,1\n", [("too_many_cells",), ("2", "desk", "1")]),
    ("a delimiter too many at the end", b"1,lamp,2,\n", [("too_many_cells",)]),
    ("NUL", b"1,la\0mp,2\n2,desk,1\n", [("nul_byte",), ("2", "desk", "1")]),
    (
        "NUL behind an open quote",
        b'1,"la\n\0mp",2\n2,desk,1\n',
        [("unclosed_quote",), ("nul_byte",), ("2", "desk", "1")],
    ),
    ("not UTF-8", b"1,l\xe9mp,2\n2,desk,1\n", [("undecodable",), ("2", "desk", "1")]),
    ("half a character", b"1,lamp,\xc3\n2,desk,1\n", [("undecodable",), ("2", "desk", "1")]),
    (
        "other signs that some take for line ends",
        "1,a\u2028b\x0b\x1c\x85c,2\n".encode(),
        [("1", "a\u2028b\x0b\x1c\x85c", "2")],
    ),
    ("a mark that is not at the start", "\ufeff1,lamp,2\n".encode(), [("\ufeff1", "lamp", "2")]),
    (
        "the header again",
        b'1,lamp,2\nid,"name",qty\n2,desk,1',
        [("1", "lamp", "2"), ("repeated_header",), ("2", "desk", "1")],
    ),
    ("a huge cell", b"1," + b"x" * 500_000 + b",2\n", [("1", "x" * 500_000, "2")]),
    ("a huge quoted cell", b'1,"' + b"x\n" * 900 + b'",2\n', [("1", "x\n" * 900, "2")]),
    ("a line over the limit", b"1," + b"x" * (1 << 20) + b",2\n2,desk,1\n", [("line_too_long",), ("2", "desk", "1")]),
    ("text in other scripts", "1,ランプ 💡,2\n".encode(), [("1", "ランプ 💡", "2")]),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
def test_odd_input_is_read_as_the_table_says(data: bytes, expected: list[tuple[object, ...]]) -> None:
    found = items(H + data)
    assert found[0] == HEADER
    assert told(found) == expected
    assert_partition(H + data, found)


def test_items_tell_ordinal_line_and_bytes() -> None:
    data = H + b'1,lamp,2\n\n2,"de\nsk",1\r\n3,x"y,1\r4,chair'
    assert items(data) == [
        HEADER,
        Record(1, 2, 12, 21, ("1", "lamp", "2")),
        Blank(3, 21, 22),
        Record(2, 4, 22, 35, ("2", "de\nsk", "1")),
        Bad(3, 6, 35, 43, '3,x"y,1', "stray_quote"),
        Bad(4, 7, 43, 50, "4,chair", "too_few_cells"),
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbf", [Blank(1, 0, 3)]),
        (b"\n", [Blank(1, 0, 1)]),
        (b"\r\n\r\nid,name,qty", [Blank(1, 0, 2), Blank(2, 2, 4), Header(3, 4, 15, ("id", "name", "qty"))]),
        (b"\xef\xbb\xbfid,name,qty\n", [Header(1, 0, 15, ("id", "name", "qty"))]),
        (
            b'"id","na\nme",qty\n1,a,2',
            [Header(1, 0, 17, ("id", "na\nme", "qty")), Record(1, 3, 17, 22, ("1", "a", "2"))],
        ),
        (b'id,"name,qty\n1,a,2', [Header(1, 0, 13, ()), Record(1, 2, 13, 18, ("1", "a", "2"))]),
        (b"\xff,name\n1,a,2", [Header(1, 0, 7, ()), Record(1, 2, 7, 12, ("1", "a", "2"))]),
        (b"id,\nid,\n", [Header(1, 0, 4, ("id", None)), Bad(1, 2, 4, 8, "id,", "too_few_cells")]),
        (b"\xef\xbb\xbfsep=,\nid,name,qty", [Blank(1, 0, 9), Header(2, 9, 20, ("id", "name", "qty"))]),
        (b"Sep=;\r\n\nid,name,qty", [Blank(1, 0, 7), Blank(2, 7, 8), Header(3, 8, 19, ("id", "name", "qty"))]),
        (b"\nsep=,\n", [Blank(1, 0, 1), Header(2, 1, 7, ("sep=", None))]),
        (b"sep=,,\n", [Header(1, 0, 7, ("sep=", None, None))]),
    ],
)
def test_the_first_line_that_is_not_blank_is_the_header(data: bytes, expected: list[Item]) -> None:
    assert items(data) == expected


def test_only_the_mark_at_the_start_of_the_file_is_no_text() -> None:
    data = b"\xef\xbb\xbf" + H + "\ufeff1,lamp,2\n".encode() * 1000
    assert set(told(items(data))) == {("\ufeff1", "lamp", "2")}


def test_a_repeated_header_over_two_lines_is_one_bad_item_with_all_its_text() -> None:
    data = b'id,"na\nme",qty\r\n' * 2 + b"1,lamp,2\n"
    assert items(data)[1:] == [
        Bad(1, 3, 16, 32, 'id,"na\nme",qty', "repeated_header"),
        Record(2, 5, 32, 41, ("1", "lamp", "2")),
    ]


def test_a_trailing_delimiter_in_every_line_is_a_column_without_a_name() -> None:
    assert told(items(b"id,name,\n1,lamp,\n2,desk\n")) == [("1", "lamp", None), ("too_few_cells",)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^"])
def test_any_delimiter_separates_and_the_others_are_text(delimiter: str) -> None:
    others = ",;\t|^".replace(delimiter, "")
    data = f'id{delimiter}"na{delimiter}me"{delimiter}qty\n1{delimiter}{others}{delimiter}"a{delimiter}""b"\n'.encode()
    assert told(items(data, delimiter)) == [("1", others, f'a{delimiter}"b')]


def test_a_file_of_one_column_has_no_record_on_a_blank_line() -> None:
    assert told(items(b'id\n1\n\n""\n2\n', width=1)) == [("1",), (None,), ("2",)]


def test_the_raw_text_of_a_bad_line_is_complete_and_printable() -> None:
    assert [item.raw for item in items(H + b"1,l\xe9mp\r\n2,a\0b,1\r") if isinstance(item, Bad)] == [
        "1,l\\xe9mp",
        "2,a\0b,1",
    ]


def test_a_file_in_windows_1252_is_read_in_it() -> None:
    data = "id,name,qty\n1,Café,€\n2,\x81,1\n".encode("latin-1", "replace").replace(b"?", b"\x80")
    assert told(items(data, encoding="cp1252")) == [("1", "Café", "€"), ("undecodable",)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_split_on_its_text_and_ranges_refer_to_the_file(encoding: str) -> None:
    # U+0A0D and U+0D0A hold the bytes of line ends, U+2C00 that of a comma.
    text = '\ufeffid,name,qty\r\n1,"\u0a0d\u0d0a\n\u2c00💡",2\n2,x\r3,desk,1\n'
    data = text.encode(encoding) + b"\x3d\xd8\x00" if encoding == "utf-16-le" else text.encode(encoding)
    found = items(data, encoding=encoding)
    assert_partition(data, found)
    assert found[:4] == [
        Header(1, 0, 28, ("id", "name", "qty")),
        Record(1, 2, 28, 54, ("1", "\u0a0d\u0d0a\n\u2c00💡", "2")),
        Bad(2, 4, 54, 62, "2,x", "too_few_cells"),
        Record(3, 5, 62, 80, ("3", "desk", "1")),
    ]
    assert [item.reason for item in found[4:] if isinstance(item, Bad)] == ["undecodable"] * (encoding == "utf-16-le")


def test_half_a_pair_of_utf_16_spoils_its_line_only() -> None:
    data = "id,name,qty\n1,".encode("utf-16-le") + b"\x3d\xd8" + ",2\n2,desk,1\n".encode("utf-16-le")
    assert told(items(data, encoding="utf-16-le")) == [("undecodable",), ("2", "desk", "1")]


def test_half_a_unit_behind_the_last_line_end_spoils_no_record() -> None:
    data = "id,name,qty\r1,lamp,2\r".encode("utf-16-le") + b"x"
    assert told(items(data, encoding="utf-16-le")) == [("1", "lamp", "2"), ("undecodable",)]


def test_a_line_over_the_limit_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        """A header and then one line of 64 MiB; remembers how it was read."""

        left, largest = 64, 0

        def read(self, size: int = -1) -> bytes:
            self.largest = max(self.largest, size)
            self.left -= 1
            return (
                H if self.left == 63 else b"x" * (1 << 20) if self.left > 0 else b"\n1,a,2\n" if self.left == 0 else b""
            )

    file = Endless()
    lines = list(physical_lines(file, limit=1000))  # type: ignore[arg-type]
    assert 0 < file.largest <= 1 << 20
    assert [len(line) for line in lines] == [12, 62 * (1 << 20) + 1, 6]
    assert isinstance(lines[1], LongLine)
    assert len(lines[1].head) < 3_000
    found = list(split(lines, Dialect(",", 3, max_line=1000)))
    assert found[1:] == [
        Bad(1, 2, 12, 13 + 62 * (1 << 20), "x" * 1000, "line_too_long"),
        Record(2, 3, 13 + 62 * (1 << 20), 19 + 62 * (1 << 20), ("1", "a", "2")),
    ]


def test_a_quoted_cell_reaches_as_far_as_the_limits_and_no_further() -> None:
    within = b'1,"' + b"\n" * (records.MAX_SPAN - 1) + b'",2\n'
    beyond = b'1,"' + b"\n" * records.MAX_SPAN + b'",2\n'
    assert told(items(H + within)) == [("1", "\n" * (records.MAX_SPAN - 1), "2")]
    assert told(items(H + beyond)) == [("unclosed_quote",), ("unclosed_quote",)]
    long = b'1,"' + b"x" * 40 + b"\n" + b"x" * 40 + b'",2\n'
    assert len(told(items(H + long, limit=len(long)))) == 1
    assert told(items(H + long, limit=len(long) - 2)) == [("unclosed_quote",), ("stray_quote",)]


def shapes(count: int) -> Iterator[bytes]:
    """Files of `count` lines, each of which is trouble for a splitter that looks ahead."""
    yield b'1,"lamp,2\n' * count
    yield b'"\n' * count
    yield b'1,"\n' * count
    yield b'",\n' * count
    yield b'1,19" desk,2\n' * count
    yield b"1,2\n" * count
    yield b"1,2,3,4\n" * count
    yield b"1,\xff,2\n" * count
    yield b"\n" * count
    yield b'1,"a""b",2\n' * count
    yield b'1,"a\nb",2\n' * (count // 2)
    yield (b'1,"lamp,2\n' + b"2,desk,1\n" * 999) * (count // 1000)
    yield b'1,"lamp,2\n' + b"2,desk,1\n" * (count - 1)


@pytest.mark.parametrize("number", range(13))
def test_the_work_grows_with_the_file_and_not_with_its_square(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: the characters that are parsed, many lines at once or one with care, per one of the file."""
    seen = 0

    def counting(parse: Callable[[str, str], object]) -> Callable[[str, str], object]:
        def counted(text: str, delimiter: str) -> object:
            nonlocal seen
            seen += len(text)
            return parse(text, delimiter)

        return counted

    for parse in (records._parsed, records._trouble):
        monkeypatch.setattr(records, parse.__name__, counting(parse))
    data = H + list(shapes(5_000))[number]
    found = items(data)
    assert_partition(data, found)
    assert seen < 8 * len(data)


@pytest.mark.parametrize("chunk", [2, 4, 6, 64])
@given(
    data=st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3\xa9"])).map(b"".join)
)
def test_the_physical_lines_are_those_of_python_wherever_a_read_ends(chunk: int, data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_lines, "CHUNK", chunk)
        assert list(physical_lines(io.BytesIO(data))) == data.splitlines(keepends=True)


PIECES = [
    b"1,lamp,2\n",
    b'2,"de,sk",1\r\n',
    b'3,"a""b",1\n',
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"x",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x82\xac",
    H,
]
CLEAN_LINE = st.lists(st.sampled_from([b"a", b"\xc3\xa9", b",", b'"b"', b'""', b'"c,d"', b";"]), max_size=8).map(
    b"".join
)
ANY_BYTES = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16-be"])
@given(data=ANY_BYTES, block=st.integers(1, 5), limit=st.sampled_from([4, 20, 1000]), delimiter=st.sampled_from(",;\t"))
def test_every_byte_belongs_to_exactly_one_item(
    encoding: str, data: bytes, block: int, limit: int, delimiter: str
) -> None:
    whole = items(data, delimiter, encoding=encoding, limit=limit)
    assert_partition(data, whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", block)
        patch.setattr(core_lines, "CHUNK", 2 * block)
        assert items(data, delimiter, encoding=encoding, limit=limit) == whole, (
            "what is read depends on where blocks end"
        )


@given(data=ANY_BYTES)
def test_the_fast_way_reads_what_the_careful_way_reads(data: bytes) -> None:
    fast = items(H + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records._Splitter, "_records", lambda *_: [])
        assert items(H + data) == fast


CELL = st.text(st.sampled_from("aé💡 ,;\"\n\r'0"), max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), max_size=8)


@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n", "\r", None]))
def test_a_well_formed_file_is_read_as_the_csv_module_reads_it(rows: list[tuple[str, ...]], end: str | None) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=end) if end else csv.writer(file)
    writer.writerows([("id", "name", "qty"), *rows])
    assert told(items(file.getvalue().encode())) == [tuple(cell or None for cell in row) for row in rows]


GOOD = st.tuples(st.integers(1, 999), st.text("aé .x", max_size=5), st.booleans()).map(
    lambda row: f'{row[0]},{f""""{row[1]}, {row[0]}" """.strip() if row[2] else row[1]},{row[0]}\n'.encode()
)
WRONG = st.sampled_from(
    [
        b'9,"lamp,2\n',
        b'"9,lamp,2\n',
        b'9,lamp,"2\n',
        b'9,la"mp,2\n',
        b"9,lamp\n",
        b"9,lamp,2,3\n",
        b"9,\xff,2\n",
        b"9,\0,2\n",
        b'"\n',
        H,
    ]
)


@given(before=st.lists(GOOD, max_size=6), wrong=WRONG, after=st.lists(GOOD, max_size=6))
def test_one_wrong_line_costs_no_good_record(before: list[bytes], wrong: bytes, after: list[bytes]) -> None:
    good = told(items(H + b"".join([*before, *after])))
    found = told(items(H + b"".join([*before, wrong, *after])))
    assert len(good) == len(before) + len(after)
    assert found[: len(before)] + found[len(before) + 1 :] == good
    assert len(found[len(before)]) == 1


def test_raw_lines_gives_range_and_text_of_the_lines_wanted_and_reads_no_further() -> None:
    def lines() -> Iterator[bytes]:
        yield from [H, b"1,l\xe9mp,2\r\n", b"2,desk,1\n"]
        raise AssertionError("read on behind the last line that was wanted")

    assert raw_lines(lines(), {3, 2}) == {2: (12, 22, "1,l\\xe9mp,2"), 3: (22, 31, "2,desk,1")}
    assert raw_lines([H], set()) == {}
    assert raw_lines([H, LongLine(b"1,xx", 100), b"2,desk,1"], {2, 3}) == {
        2: (12, 112, "1,xx"),
        3: (112, 120, "2,desk,1"),
    }


# --- the profile


def test_a_profile_counts_what_stands_in_the_file() -> None:
    data = b'\xef\xbb\xbfid,name\r\n1,"a, ""b"""\r\n2,\0\r\n'
    assert profile(data) == Profile(
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        encoding="utf-8",
        bom_bytes=3,
        lines=3,
        blank_lines=0,
        bad_byte_at=None,
        clean=False,
    )


PROFILES: list[tuple[str, bytes, Callable[[Profile], bool], bool]] = [
    ("clean", b"id,name\n1,a\n2,b\n", lambda p: (p.lines, p.records_if_clean) == (3, 2), True),
    (
        "clean with CRLF",
        b"id,name\r\n1,a\r\n2,b",
        lambda p: (p.lines, p.records_if_clean) == (3, 2),
        True,
    ),
    ("clean with a mark", b"\xef\xbb\xbfid,name\n1,a\n", lambda p: (p.bom_bytes, p.records_if_clean) == (3, 1), True),
    ("clean with quotes", b'id,name\n1,"a,""b"""\n', lambda p: p.records_if_clean == 1, True),
    ("blank lines at the end", b"id,name\n1,a\n\n\n", lambda p: (p.blank_lines, p.records_if_clean) == (2, 1), True),
    ("a blank line inside", b"id,name\n\n1,a\n", lambda p: p.blank_lines == 1, False),
    ("a blank line first", b"\r\nid,name\r\n", lambda p: p.blank_lines == 1, False),
    ("only the header", b"id,name\n", lambda p: p.records_if_clean == 0, True),
    ("one column", b"id\n1\n2\n", lambda p: (p.blank_lines, p.records_if_clean) == (0, 2), True),
    ("no line end at all", b"id,name", lambda p: p.lines == 1, False),
    ("nothing", b"", lambda p: (p.lines, p.bytes, p.records_if_clean) == (0, 0, 0), False),
    ("only a mark", b"\xef\xbb\xbf", lambda p: (p.lines, p.bom_bytes) == (0, 3), False),
    ("CR alone", b"id,name\r1,a\r", lambda p: p.lines == 2, False),
    ("mixed line ends", b"id,name\r\n1,a\n", lambda p: p.lines == 2, False),
    ("a lone CR in a line without separators", b"id\r1\r\n", lambda p: p.lines == 2, False),
    ("a quoted newline", b'id,name\n1,"a\nb"\n', lambda p: p.lines == 3, False),
    ("a line that names the delimiter", b"SEP=,\nid,name\n1,a\n", lambda p: p.lines == 3, False),
    ("an unclosed quote", b'id,name\n1,"a\n', lambda p: p.lines == 2, False),
    ("an unclosed quote in the last line", b'id,name\n1,"a', lambda p: p.lines == 2, False),
    ("NUL", b"id,name\n1,\0\n", lambda p: p.lines == 2, False),
    ("not UTF-8", b"id,name\n1,\xc3\xa9\n2,\xe9\n", lambda p: p.bad_byte_at == 15, False),
    ("a character cut off", b"id,name\n1,a\n2,\xe2\x82", lambda p: p.bad_byte_at == 14, False),
    ("a long line", b"id,name\n1," + b"x" * 20_000 + b"\n", lambda p: p.lines == 2, True),
    ("a line too long", b"id,name\n1," + b"x" * (1 << 20) + b"\n", lambda p: p.lines == 2, False),
    (
        "UTF-16",
        "\ufeffid,name\n1,é\n".encode("utf-16-le"),
        lambda p: (p.encoding, p.bom_bytes, p.lines) == ("utf-16-le", 2, 2),
        False,
    ),
    (
        "UTF-16, big",
        "\ufeffid\r\n".encode("utf-16-be"),
        lambda p: (p.encoding, p.lines) == ("utf-16-be", 1),
        False,
    ),
    ("half a character of UTF-16", b"\xff\xfei\0\n\0x", lambda p: p.lines == 2, False),
]


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "holds", "clean"), [case[1:] for case in PROFILES], ids=[case[0] for case in PROFILES]
)
def test_a_profile_is_as_the_table_says(data: bytes, holds: Callable[[Profile], bool], clean: bool, chunk: int) -> None:
    chunk = max(chunk, len(data) // 5000)
    found = profile(data, chunk)
    assert holds(found), found
    assert (found.clean, found.bytes, found.sha256) == (clean, len(data), hashlib.sha256(data).hexdigest())


@given(data=st.one_of(ANY_BYTES, ANY_BYTES.map(lambda data: b"\xff\xfe" + data)), chunk=st.integers(1, 9))
def test_a_profile_does_not_depend_on_where_chunks_end(data: bytes, chunk: int) -> None:
    assert profile(data, chunk) == profile(data)


@example(data=b"\r\n", chunk=1, limit=1)
@given(
    data=st.one_of(ANY_BYTES, st.lists(CLEAN_LINE).map(b"\n".join)), chunk=st.integers(1, 9), limit=st.integers(1, 30)
)
def test_a_profile_agrees_with_the_lines_of_the_file(data: bytes, chunk: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core_profile, "MAX_LINE", limit)
        found = profile(data, chunk)
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    assert found.encoding != "utf-8" or (found.lines, found.blank_lines, found.bad_byte_at, found.clean) == (
        len(lines),
        sum(not line.strip(b"\r\n") for line in lines),
        first_bad_byte(data),
        first_bad_byte(data) is None and are_clean(lines, limit),
    )


def are_clean(lines: list[bytes], limit: int) -> bool:
    text = b"".join(lines)
    return (
        set(re.findall(rb"\r\n|\r|\n", text)) in ({b"\n"}, {b"\r\n"})
        and all(line.count(b'"') % 2 == 0 and b"\0" not in line and len(line) <= limit for line in lines)
        and all(line.strip(b"\r\n") for line in text.rstrip(b"\r\n").splitlines())
        and text[:4].lower() != b"sep="
    )


def first_bad_byte(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@given(lines=st.lists(CLEAN_LINE, max_size=8), end=st.sampled_from([b"\n", b"\r\n"]), tail=st.integers(0, 3))
def test_in_a_clean_file_record_n_stands_on_line_n_plus_1(lines: list[bytes], end: bytes, tail: int) -> None:
    data = end.join([b"id,name,qty", *lines]) + end * tail
    found = profile(data)
    if not found.clean:
        assert b"" in lines or tail == 0
        return
    read = [item for item in items(data) if isinstance(item, Record | Bad)]
    assert [item.line for item in read] == [item.ordinal + 1 for item in read]
    assert len(read) == found.records_if_clean
    if not re.search(rb'[^,\r\n]"|"[^,\r\n]', data):
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        assert len([row for row in rows if row]) == found.records_if_clean + 1
