"""A hash that is computed beside other work is the hash."""

from __future__ import annotations

import hashlib
import random

from cartlake.hashing import WORTH_A_THREAD, Sha256


def test_chunks_of_any_size_in_any_order_give_the_hash_of_their_bytes_in_order() -> None:
    draw = random.Random(7)  # noqa: S311
    sizes = [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 3 * WORTH_A_THREAD, 5]
    for _ in range(10):
        chunks = [draw.randbytes(size) for size in draw.sample(sizes, len(sizes))]
        beside = Sha256()
        for chunk in chunks:
            beside.update(chunk)
        assert beside.hexdigest() == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_the_hash_of_nothing_is_that_of_no_bytes() -> None:
    assert Sha256().hexdigest() == hashlib.sha256().hexdigest()
