"""Which files a lenient reader may be trusted with."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.clean import delimiters_between_cells

PLAIN = [
    b'id,name\n1,"Smith, John"\n',
    b'"id","name"\r\n"1","x"\r\n',
    b"id,name\n1,x\n",
    b'id,name\n1,"x"',
]
NOT_PLAIN = [
    b'id,name\n1, "x"\n',
    b'id,name\n1,"x" \n',
    b'id,name\n1,5" pipe and 6" pipe\n',
    b'id,name\n1,"He said ""hi"""\n',
    b'id,name\n1,x""\n',
    b'id,name\n1,""\n2,"y"x"z"\n',
    b'id,name\n1,","\n2, "y" \n',
    b'id,name\n"1"x,y\n',
    b'id,name\n1,""""\n',
    b'id,name\n1,"x" ""\n',
]


def between(*chunks: bytes, delimiter: str = ",") -> int | None:
    return delimiters_between_cells(chunks, delimiter)


@pytest.mark.parametrize("data", PLAIN)
def test_quotes_at_the_borders_of_cells_are_plain(data: bytes) -> None:
    assert between(data) is not None


@pytest.mark.parametrize("data", NOT_PLAIN)
def test_quotes_anywhere_else_are_not(data: bytes) -> None:
    assert between(data) is None


def test_another_delimiter_has_other_borders() -> None:
    assert between(b'id;name\n1;"a,b"\n', delimiter=";") == 2
    assert between(b'id;name\n1;"a,b"\n') is None


def test_a_part_of_a_delimiter_is_no_border() -> None:
    assert between("idéname\n1é2\n".encode(), delimiter="é") == 2
    assert between('idéname\n1éũ"x"\n'.encode(), delimiter="é") is None  # ũ ends in the byte that é ends in


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"id,name\n1,x\n", 2),
        (b"id,name\n1,x,\n", 3),
        (b'id,name\n1,"x"\n2,"y,z,"\n', 3),
        (b'id,name\n1,"x",\n', 3),
        (b'"id,no","name"\r\n"1,2","x"\r\n', 2),
    ],
)
def test_delimiters_in_quotes_separate_nothing(data: bytes, count: int) -> None:
    assert between(data) == count


@given(st.lists(st.lists(st.text("ab ,;", min_size=1), min_size=2, max_size=3), min_size=1), st.data())
def test_where_the_chunks_are_cut_makes_no_difference(rows: list[list[str]], data: st.DataObject) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    whole = written.getvalue().encode()
    cut = data.draw(st.integers(0, len(whole)))
    assert between(whole[:cut], whole[cut:]) == between(whole)
    assert between(whole) == sum(len(row) - 1 for row in rows)
