"""Parts of a clean file that are read apart give what one pass gives."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core import profile
from cartlake.core.items import Bad, Item, Record
from cartlake.core.lines import physical_lines
from cartlake.core.profile import Profile, Profiler
from cartlake.core.records import Dialect, Place, split

HEADER = ("order_id", "note")


def profiled(data: bytes, chunk: int) -> Profile:
    profiler = Profiler()
    for start in range(0, len(data), chunk):
        profiler.update(data[start : start + chunk])
    return profiler.finish()


def items(data: bytes, start: int, end: int, place: Place | None) -> list[Item]:
    lines = physical_lines(io.BytesIO(data[start:end]))
    found = split(lines, Dialect(delimiter=",", width=2), place)
    return [item for item in found if isinstance(item, Record | Bad)]


def in_parts(data: bytes, found: Profile) -> list[Item]:
    starts: Sequence[tuple[int, int]] = [(0, 1), *((each.start, each.line) for each in found.splits)]
    ends = [*(start for start, _ in starts[1:]), len(data)]
    return [
        item
        for (start, line), end in zip(starts, ends, strict=True)
        for item in items(data, start, end, Place(HEADER, start, line, line - 2) if start else None)
    ]


# Sound, quoted, a stray quote, a cell too many, the header again, text beyond ASCII.
LINES = ["O-1,x", 'O-2,"a, ""b"""', 'O-3,a"b"', "O-4,1,2", "order_id,note", "O-5,Zoë €", "O-6,"]
files = st.tuples(
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.sampled_from(LINES), min_size=1, max_size=40),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
)


@given(files, st.integers(1, 60), st.integers(1, 200))
def test_ordinals_lines_and_bytes_are_those_of_one_pass(
    file: tuple[str, list[str], str, bool], chunk: int, part: int
) -> None:
    newline, lines, mark, is_ended = file
    data = (mark + newline.join([",".join(HEADER), *lines]) + newline * is_ended).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(profile, "PART", part)
        found = profiled(data, chunk)
    assert found.clean
    assert in_parts(data, found) == items(data, 0, len(data), None)


def test_a_long_file_is_cut_about_every_8_megabytes() -> None:
    line = b"O-1," + b"x" * 996 + b"\n"
    found = profiled(b"order_id,note\n" + line * 30_000, 1 << 20)
    assert [round(each.start / (8 << 20), 1) for each in found.splits] == [1.0, 2.0, 3.0]
    assert all((each.start - 14) % len(line) == 0 for each in found.splits)
    assert [each.line for each in found.splits] == [(each.start - 14) // len(line) + 2 for each in found.splits]


@pytest.mark.parametrize("spoilt", [b'O-2,"open\n', b"O-2,\xff\n", b"O-2,\0\n", b"\n", b"O-2,a\rb\n"])
def test_a_file_in_which_a_line_end_may_be_inside_a_record_is_one_part(spoilt: bytes) -> None:
    line = b"O-1," + b"x" * 9_995 + b"\n"
    assert profiled(b"order_id,note\n" + line * 1_000 + spoilt + line * 1_000, 1 << 20).splits == ()
    assert profiled(b"order_id,note\n" + line * 2_000, 1 << 20).splits != ()
