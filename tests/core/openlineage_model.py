"""Strict reading of OpenLineage JSON into the classes that the project generates from its schema."""

from __future__ import annotations

import types
import typing
from enum import Enum
from importlib import import_module
from typing import Any

import attr


def read(kind: Any, value: Any) -> Any:
    """`value` as `kind`; AssertionError for an unknown or missing member or a value of another type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else read(next(each for each in inner if each is not type(None)), value)
    if origin is list:
        assert isinstance(value, list), value
        return [read(inner[0], each) for each in value]
    if origin is dict:
        assert isinstance(value, dict), value
        return {key: read(inner[1], each) for key, each in value.items()}
    return _members(kind, value) if attr.has(kind) else _scalar(kind, value)


def _scalar(kind: Any, value: Any) -> Any:
    if issubclass(kind, Enum):
        return kind(value)
    assert isinstance(value, (int, float) if kind is float else kind), (kind, value)
    assert kind is bool or not isinstance(value, bool), (kind, value)
    return value


def _members(kind: Any, value: Any) -> Any:
    assert isinstance(value, dict), (kind, value)
    module = import_module(kind.__module__)
    hints = typing.get_type_hints(kind, {**vars(import_module("openlineage.client.generated.base")), **vars(module)})
    fields = {field.name: field for field in attr.fields(kind)}
    required = {name for name, field in fields.items() if field.default is attr.NOTHING}
    assert required <= value.keys() <= fields.keys(), (kind, sorted(value))
    made = {}
    for name, each in value.items():
        made[name] = _facets(each) if name in ("facets", "inputFacets", "outputFacets") else read(hints[name], each)
    if "_schemaURL" in value:
        assert value["_schemaURL"] == kind._get_schema(), kind
    arguments = {fields[name].alias: each for name, each in made.items() if fields[name].init}
    return kind(**arguments)


FACETS = {
    "schema": ("schema_dataset", "SchemaDatasetFacet"),
    "version": ("dataset_version_dataset", "DatasetVersionDatasetFacet"),
    "columnLineage": ("column_lineage_dataset", "ColumnLineageDatasetFacet"),
    "outputStatistics": ("output_statistics_output_dataset", "OutputStatisticsOutputDatasetFacet"),
    "dataQualityMetrics": ("data_quality_metrics_input_dataset", "DataQualityMetricsInputDatasetFacet"),
    "dataQualityAssertions": ("data_quality_assertions_dataset", "DataQualityAssertionsDatasetFacet"),
    "parent": ("parent_run", "ParentRunFacet"),
    "nominalTime": ("nominal_time_run", "NominalTimeRunFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
    "jobType": ("job_type_job", "JobTypeJobFacet"),
}


def _facets(facets: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, facet in facets.items():
        if name in FACETS:
            module, kind = FACETS[name]
            made[name] = read(getattr(import_module(f"openlineage.client.generated.{module}"), kind), facet)
        else:
            assert name.startswith("cartlake_"), "facets of one's own carry a prefix"
            assert facet["_producer"]
            assert facet["_schemaURL"].endswith("#/$defs/RunFacet")
    return made
