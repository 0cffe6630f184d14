"""A ledger grows for years; a run must not cost more for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from cartlake import ledgertable
from cartlake.engines.base import Engine
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.lake import Lake, running
from cartlake.ledger import Ledger
from cartlake.tasks.arrivals import look
from tests.pipeline.shop import Shop, customer

GROWING = ("batches", "batch_files", "files")


def remember(lake: Lake, batches: int) -> None:
    """So many more batches in the ledger, each as if it had been published long ago like the one that is there."""
    with lake._door.locked() as context:
        ledger = context.ledger
        batch, *_ = ledger.batches().values()
        [announced], [staged] = ledger.batch_files([batch.batch_id]), ledger.files("customers")[:1]
        [publication] = ledger.publications()[-1:]
        for number in range(batches):
            old, sha256 = f"old-{number}", f"{number:064}"
            ledger.record_batches([replace(batch, batch_id=old, manifest_sha256=sha256)])
            ours = replace(announced, batch_id=old, file_sha256=sha256)
            ledger.record_files([replace(staged, file_sha256=sha256)], [ours])
            publication = replace(publication, publication_id=publication.publication_id + 1, batch_id=old)
            ledger.publish(publication)


def rows_made(shop: Shop, number: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many ledger rows are made what they stand for while another batch runs."""
    count, fold = 0, ledgertable.Kind.fold

    def counted(kind: ledgertable.Kind[Any], rows: Iterable[Any], into: Any) -> Any:
        nonlocal count
        taken = list(rows)
        count += len(taken)
        return fold(kind, taken, into)

    shop.deliver(f"b{number}", "2025-03-02", customers=[customer(f"C-{number}")])
    with monkeypatch.context() as patched:
        patched.setattr(ledgertable.Kind, "fold", counted)
        shop.run()
    return count


def test_a_run_costs_no_more_in_a_long_ledger_than_in_a_short_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deliver("b0", customers=[customer()])
    shop.run()
    rows_made(shop, 1, monkeypatch)
    few = rows_made(shop, 2, monkeypatch)
    remember(shop.lake, 40)
    rows_made(shop, 3, monkeypatch)  # looks at the new ones once
    assert rows_made(shop, 4, monkeypatch) <= few + 5


def test_every_hundredth_run_joins_the_small_files_of_the_ledger(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "JOIN_EVERY", 2)
    shop.deliver("b1", customers=[customer()])
    shop.run()
    remember(shop.lake, 10)
    grown, before = files(shop), shop.lake.batches()
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    shop.run()
    assert (min(grown), files(shop)) == (11, [1, 1, 1])
    assert shop.lake.batches()[: len(before)] == before
    names = [name for (name,) in shop.rows("SELECT name FROM maintenance WHERE action = 'compact'")]
    assert {f"ledger_{name}" for name in GROWING} <= {*names}


def files(shop: Shop) -> list[int]:
    with shop.lake._door.locked() as context:
        engine = cast(EmbeddedEngine, context.engine)
        return [len(engine._store.files(f"ledger_{name}", None)) for name in GROWING]


def test_batches_and_their_manifests_are_told_of_one_moment_though_others_record_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("b1", customers=[customer()])
    shop.run()
    with shop.lake._door.locked() as context:
        other, count, read = Ledger(context.engine), itertools.count(), ledgertable.LedgerTable.read
        batch = context.ledger.batches()["b1"]

        def read_and_go_on(table: ledgertable.LedgerTable, engine: Engine) -> object:
            found = read(table, engine)
            number = next(count)
            other.record_batches([replace(batch, batch_id=f"new-{number}", manifest_sha256=f"{number:064}")])
            return found

        with monkeypatch.context() as patched:
            patched.setattr(ledgertable.LedgerTable, "read", read_and_go_on)
            _, known = look(context)
        assert {*known.manifests} == {*known.batches} < {*context.ledger.batches()}
