"""What a batch delivers of each feed, beside what was known before: the relations of check models, and what of it ties,
repeats or comes late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cartlake.core import known
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile, Publication
from cartlake.core.sqltext import names
from cartlake.core.tables import history_table
from cartlake.core.verdict import RuleResult
from cartlake.engines.base import Engine
from cartlake.tasks.accepted import define_logged
from cartlake.tasks.context import Context

SAMPLES = 5


@dataclass(frozen=True)
class Delivered:
    """One feed's relations are defined; `has_files` says whether the batch brings any of it, `has_several` and
    `has_met` whether `several_<feed>` and `met_<feed>` have rows."""

    contract: Contract
    has_files: bool
    has_several: bool
    has_met: bool


def define_delivered(context: Context, batch: Batch, earlier: Sequence[str]) -> list[Delivered]:
    """`batch_<feed>`, `known_<feed>` and `ended_<feed>` of every feed, as `core.known` has them. `earlier` are batches
    that are not published yet and known all the same."""
    published = context.ledger.latest_publication()
    files = context.ledger.batch_files([batch.batch_id, *earlier])
    return [
        _define_feed(context, contract, batch, [file for file in files if file.feed == contract.feed], published)
        for contract in context.contracts
    ]


def _define_feed(
    context: Context, contract: Contract, batch: Batch, files: Sequence[BatchFile], published: Publication
) -> Delivered:
    engine, feed = context.engine, contract.feed
    history = history_table(contract)
    earlier = [file for file in files if file.batch_id != batch.batch_id]
    own = [file for file in files if file.batch_id == batch.batch_id]
    define_logged(context, contract, f"staged_{feed}", own)
    define_logged(context, contract, f"earlier_{feed}", earlier)
    engine.read(f"published_{feed}", history, published.tables.get(history.name, 0))
    engine.define(f"events_{feed}", f"SELECT * FROM staged_{feed} WHERE _op = 'upsert'")
    engine.define(f"previous_{feed}", _previous(contract, is_alone=not earlier))
    has_several = bool(own) and engine.materialise(f"several_{feed}", known.several(contract)) > 0
    if has_several:
        engine.materialise(f"stood_{feed}", known.stood(contract))
    engine.define(f"standing_{feed}", known.standing(contract, has_several))
    is_known = bool(earlier) or history.name in published.tables
    has_met = bool(own) and is_known and engine.materialise(f"met_{feed}", known.met(contract)) > 0
    engine.define(f"batch_{feed}", known.newest(contract, has_several, has_met))
    engine.define(f"known_{feed}", known.known(contract))
    engine.define(f"ended_{feed}", known.ended(contract))
    return Delivered(contract, bool(own), has_several, has_met)


def _previous(contract: Contract, *, is_alone: bool) -> str:
    if is_alone:
        return f"SELECT * FROM published_{contract.feed}"
    shown = names((*(f.name for f in contract.fields), "_sequence", "_file_sha256", "_record"))
    return (
        f"SELECT {shown}, valid_from FROM published_{contract.feed}"
        f" UNION ALL SELECT {shown}, _sequence AS valid_from FROM earlier_{contract.feed} WHERE _op = 'upsert'"
    )


def compare_with_known(engine: Engine, delivered: Delivered, batch: Batch) -> list[RuleResult]:
    """Two upserts of one key and time that say different things, deliveries whose changes keep their times, and what
    was known already or comes late. Of a batch that is published itself the last two were found before it was."""
    contract, feed = delivered.contract, delivered.contract.feed
    if delivered.has_met:
        engine.define(f"moments_{feed}", known.moments(contract))
    facts = dict.fromkeys(known.FACTS, 0)
    if delivered.has_files:
        counted = engine.rows(known.facts(contract, delivered.has_met))[0]
        facts |= {name: int(str(value)) for name, value in counted.items()}
    found = _ties(engine, delivered, facts)
    return found if batch.status is BatchStatus.PUBLISHED else [*found, *_old_news(engine, contract, facts)]


def _ties(engine: Engine, delivered: Delivered, facts: Mapping[str, int]) -> list[RuleResult]:
    contract, has_met, keys = delivered.contract, delivered.has_met, facts["keys"]
    rule, moves = known.sequence_tie(contract), known.SEQUENCE_DOES_NOT_MOVE
    if not (delivered.has_several or facts["again"]):
        return [RuleResult.of(rule, keys, 0), RuleResult.of(moves, int(has_met), 0)]
    ties = engine.tally(f"ties_{contract.feed}", known.ties(contract), {"all": "TRUE", "known": "is_known"})
    tied, stands_still = ties["all"], known.stands_still(ties["known"], facts["newer"])
    return [
        RuleResult.of(rule, keys, tied, samples(engine, f"ties_{contract.feed}", rule.key, "TRUE") if tied else ""),
        RuleResult.of(moves, int(has_met), int(stands_still), contract.feed if stands_still else ""),
    ]


def _old_news(engine: Engine, contract: Contract, facts: Mapping[str, int]) -> list[RuleResult]:
    late, moments, again = facts["late"], f"moments_{contract.feed}", f"again_{contract.feed}"
    bisects, repeats = "differs AND NOT is_same_time", "NOT differs"
    counted = {"bisected": 0, "repeated": 0}
    if facts["again"] or facts["inside"]:
        engine.materialise(again, known.again(contract))
        key, counts = names(contract.key), f"count_if({bisects}) AS bisected, count_if({repeats}) AS repeated"
        per_key = f"SELECT {key}, {counts} FROM {again} GROUP BY {key}"
        both = "count_if(bisected > 0) AS bisected, count_if(repeated > 0) AS repeated"
        [row] = engine.rows(f"SELECT {both} FROM ({per_key}) AS counted")
        counted = {name: int(str(value)) for name, value in row.items()}
    told = (
        (known.late_event(contract), late, moments, known.IS_LATE),
        (known.bisected_run(contract), counted["bisected"], again, bisects),
        (known.repeated_event(contract), counted["repeated"], again, repeats),
    )
    return [
        RuleResult.of(rule, facts["keys"], count, samples(engine, relation, rule.key, condition) if count else "")
        for rule, count, relation, condition in told
    ]


def samples(engine: Engine, relation: str, key: Sequence[str], condition: str) -> str:
    """The first keys of the rows of a relation that meet the condition, as people read them."""
    texts = ", ".join(f"text({column})" for column in key)
    rows = engine.rows(
        f"SELECT DISTINCT concat_ws('/', {texts}) AS sample FROM {relation} WHERE {condition}"
        f" ORDER BY sample LIMIT {SAMPLES}"
    )
    return ", ".join(str(row["sample"]) for row in rows)
