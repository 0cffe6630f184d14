"""Which files a lenient reader may be trusted with."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.clean import is_plainly_quoted

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
    b'id,name\n1,x"\n2,"y\n',
    b'id,name\n1,","\n2, "y" \n',
]


@pytest.mark.parametrize("data", PLAIN)
def test_quotes_at_the_borders_of_cells_are_plain(data: bytes) -> None:
    assert is_plainly_quoted([data], ",")


@pytest.mark.parametrize("data", NOT_PLAIN[:4] + NOT_PLAIN[5:])
def test_quotes_anywhere_else_are_not(data: bytes) -> None:
    assert not is_plainly_quoted([data], ",")


def test_another_delimiter_has_other_borders() -> None:
    assert is_plainly_quoted([b'id;name\n1;"a,b"\n'], ";")
    assert not is_plainly_quoted([b'id;name\n1;"a,b"\n'], ",")


@given(st.lists(st.lists(st.text("ab ,;", min_size=1), min_size=2, max_size=3), min_size=1), st.data())
def test_where_the_chunks_are_cut_makes_no_difference(rows: list[list[str]], data: st.DataObject) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    whole = written.getvalue().encode()
    cut = data.draw(st.integers(0, len(whole)))
    assert is_plainly_quoted([whole[:cut], whole[cut:]], ",") == is_plainly_quoted([whole], ",")
