"""JSON that leaves this machine: only to the address that was given."""

from __future__ import annotations

import pytest

from cartlake.outbound import Undelivered, post_json
from tests.pipeline.listening import listening


def test_an_address_that_sends_us_elsewhere_has_not_taken_the_document_and_nobody_gets_the_key() -> None:
    with listening("/events") as named, listening("/login") as other:
        named.answer, named.elsewhere = 302, other.address
        with pytest.raises(Undelivered, match=r"^answered with 302$"):
            post_json(named.address, b"{}", {"Authorization": "Bearer s3cret"}, 5)
        assert (named.keys, other.keys) == (["Bearer s3cret"], [])
