"""What tasks did, as events of OpenLineage 2-0-2. Pure text: whoever sends them needs no library of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from cartlake.core.contract import Contract
from cartlake.core.dag import MERGE, VALIDATION
from cartlake.core.entries import Publication, TaskRun
from cartlake.core.lineage import Flow, files_of
from cartlake.core.table import Table

SPEC = "https://openlineage.io/spec"
RUNS = uuid.UUID("5c9b5c0e-6d5e-4b43-9a63-0d9d6f3f6b52")
"""The space in which our ids become UUIDs, the same whenever an event is made again."""

_TRANSFORMATIONS = {
    "copied": "IDENTITY",
    "computed": "TRANSFORMATION",
    "aggregated": "AGGREGATION",
}
_FACETS = {
    "schema": "facets/1-2-0/SchemaDatasetFacet",
    "version": "facets/1-0-1/DatasetVersionDatasetFacet",
    "columnLineage": "facets/1-2-0/ColumnLineageDatasetFacet",
    "outputStatistics": "facets/1-0-2/OutputStatisticsOutputDatasetFacet",
    "dataQualityMetrics": "facets/1-0-3/DataQualityMetricsInputDatasetFacet",
    "dataQualityAssertions": "facets/1-1-0/DataQualityAssertionsDatasetFacet",
    "parent": "facets/1-2-0/ParentRunFacet",
    "nominalTime": "facets/1-0-1/NominalTimeRunFacet",
    "errorMessage": "facets/1-0-1/ErrorMessageRunFacet",
    "jobType": "facets/2-0-4/JobTypeJobFacet",
}

Facets = dict[str, dict[str, object]]
Event = dict[str, object]
Measured = Mapping[str, object]


@dataclass(frozen=True)
class Emitter:
    """What is the same in all events: who says it, in which namespace jobs are named, where a relation stands
    (`locate` gives namespace and name of a dataset), what the project declares."""

    producer: str
    namespace: str
    locate: Callable[[str], tuple[str, str]]
    contracts: tuple[Contract, ...]
    production: tuple[Table, ...]
    logs: tuple[Table, ...]
    flows: tuple[Flow, ...]

    def facet(self, name: str, **content: object) -> dict[str, object]:
        path = _FACETS[name]
        pointer = path.rpartition("/")[2]
        return {"_producer": self.producer, "_schemaURL": f"{SPEC}/{path}.json#/$defs/{pointer}", **content}


@dataclass(frozen=True)
class Outcome:
    """One attempt of a task, the date of its batch, the publication it made (None if it made none), and what was
    measured of the batch: rows of `dq_metrics` and of `validation_results`."""

    attempt: TaskRun
    batch_date: date | None
    publication: Publication | None
    metrics: Sequence[Measured]
    results: Sequence[Measured]


def events(emitter: Emitter, outcome: Outcome) -> tuple[Event, Event]:
    """The start and the end of an attempt: COMPLETE, or FAIL where the task failed or refused a file."""
    attempt = outcome.attempt
    run = {"runId": run_id(f"{attempt.run_id}/{attempt.batch_id}/{attempt.task}/{attempt.attempt}")}
    job = {
        "namespace": emitter.namespace,
        "name": attempt.task,
        "facets": {
            "jobType": emitter.facet("jobType", processingType="BATCH", integration="CARTLAKE", jobType="TASK"),
        },
    }
    has_failed = attempt.status == "FAILED"
    start = _event(emitter, "START", attempt.started_at) | {
        "run": run | {"facets": _run_facets(emitter, outcome)},
        "job": job,
    }
    end = _event(emitter, "FAIL" if has_failed else "COMPLETE", attempt.ended_at) | {
        "run": run | {"facets": _run_facets(emitter, outcome) | _error(emitter, attempt)},
        "job": job,
        "inputs": [*_inputs(emitter, outcome)],
        "outputs": [] if has_failed else [*_outputs(emitter, outcome)],
    }
    return start, end


def run_id(text: str) -> str:
    return str(uuid.uuid5(RUNS, text))


def _event(emitter: Emitter, kind: str, at: datetime) -> Event:
    return {
        "eventType": kind,
        "eventTime": at.astimezone(UTC).isoformat(),
        "producer": emitter.producer,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _run_facets(emitter: Emitter, outcome: Outcome) -> Facets:
    attempt = outcome.attempt
    parent = {"runId": run_id(attempt.run_id)}, {"namespace": emitter.namespace, "name": "run"}
    batch = {
        "_producer": emitter.producer,
        "_schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunFacet",
        "runId": attempt.run_id,
        "batchId": attempt.batch_id,
        "attempt": attempt.attempt,
        "status": attempt.status,
    }
    facets: Facets = {"parent": emitter.facet("parent", run=parent[0], job=parent[1]), "cartlake_batch": batch}
    if outcome.batch_date is not None:
        day = datetime.combine(outcome.batch_date, time(), UTC).isoformat()
        facets["nominalTime"] = emitter.facet("nominalTime", nominalStartTime=day)
    return facets


def _error(emitter: Emitter, attempt: TaskRun) -> Facets:
    if attempt.error_code is None:
        return {}
    message = f"{attempt.error_code}: {attempt.error_message}"
    return {"errorMessage": emitter.facet("errorMessage", message=message, programmingLanguage="PYTHON")}


def _inputs(emitter: Emitter, outcome: Outcome) -> Iterator[dict[str, object]]:
    task = outcome.attempt.task
    for contract, log in zip(emitter.contracts, emitter.logs, strict=True):
        if task == contract.task:
            yield _dataset(emitter, files_of(contract), {})
        elif task not in {each.task for each in emitter.contracts}:
            found = _dataset(emitter, log.name, _schema(emitter, log))
            yield found | ({"inputFacets": _quality(emitter, contract, outcome)} if task == VALIDATION else {})


def _outputs(emitter: Emitter, outcome: Outcome) -> Iterator[dict[str, object]]:
    attempt = outcome.attempt
    for contract, log in zip(emitter.contracts, emitter.logs, strict=True):
        if attempt.task == contract.task:
            statistics = emitter.facet("outputStatistics", rowCount=attempt.rows_staged)
            facets = _schema(emitter, log) | _lineage(emitter, log)
            yield _dataset(emitter, log.name, facets) | {"outputFacets": {"outputStatistics": statistics}}
    if attempt.task == MERGE and outcome.publication is not None:
        for table in emitter.production:
            version = emitter.facet("version", datasetVersion=str(outcome.publication.tables.get(table.name, 0)))
            facets = {**_schema(emitter, table), "version": version, **_lineage(emitter, table)}
            yield _dataset(emitter, table.name, facets)


def _dataset(emitter: Emitter, name: str, facets: Facets) -> dict[str, object]:
    namespace, place = emitter.locate(name)
    return {"namespace": namespace, "name": place, "facets": facets}


def _schema(emitter: Emitter, table: Table) -> Facets:
    fields = [{"name": column.name, "type": column.type} for column in table.columns]
    return {"schema": emitter.facet("schema", fields=fields)}


def _lineage(emitter: Emitter, table: Table) -> Facets:
    fields: dict[str, dict[str, list[object]]] = {}
    for flow in emitter.flows:
        if flow.relation == table.name:
            namespace, name = emitter.locate(flow.from_relation)
            kind = {"type": "DIRECT", "subtype": _TRANSFORMATIONS[flow.how]}
            source = {"namespace": namespace, "name": name, "field": flow.from_column, "transformations": [kind]}
            fields.setdefault(flow.column, {"inputFields": []})["inputFields"].append(source)
    return {"columnLineage": emitter.facet("columnLineage", fields=fields)} if fields else {}


def _quality(emitter: Emitter, contract: Contract, outcome: Outcome) -> Facets:
    """What was measured of a feed, and the rules that it kept or broke; those across feeds stand with every feed."""
    own = [row for row in outcome.metrics if row["feed"] == contract.feed]
    columns = {
        str(row["column_name"]): {"count": row["part"], "nullCount": _number(row["whole"]) - _number(row["part"])}
        for row in own
        if row["metric"] == "completeness"
    }
    staged = sum(_number(row["value"]) for row in own if row["metric"] == "rows_staged")
    assertions = [
        {"assertion": str(row["rule"]), "success": not row["part"], **_about(row)}
        for row in own
        if row["metric"] == "rule_failures"
    ]
    assertions += [
        {"assertion": str(row["rule"]), "success": row["outcome"] == "passed", "severity": _severity(row)}
        for row in outcome.results
    ]
    return {
        "dataQualityMetrics": emitter.facet("dataQualityMetrics", rowCount=staged, columnMetrics=columns),
        "dataQualityAssertions": emitter.facet("dataQualityAssertions", assertions=assertions),
    }


def _about(row: Measured) -> dict[str, object]:
    return {} if row["column_name"] is None else {"column": row["column_name"]}


def _severity(row: Measured) -> str:
    return "error" if row["severity"] == "high" else "warn"


def _number(value: object) -> int:
    return int(str(value).partition(".")[0])
