"""Look: where columns and rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from cartlake.cli.options import HERE, LOOK, AsJson, Project, opened
from cartlake.cli.output import Output, plain
from cartlake.errors import UsageError

if TYPE_CHECKING:
    from cartlake.core.lineage import LineageGraph
    from cartlake.lineage import Origin, RowLineage

_KIND_STYLES = {"file": "yellow", "log": "cyan", "history": "cyan", "table": "green", "view": "magenta"}
Branches = Callable[[str], Sequence[tuple[str, Text]]]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=LOOK)(lineage)


def lineage(
    target: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE[.COLUMN] KEY", help="What to follow; nothing: everything.", show_default=False),
    ] = None,
    row: Annotated[bool, typer.Option("--row", help="Follow the row of TABLE with this KEY.")] = False,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Where a table, a column or a row comes from, and where it goes."""
    out, words = Output(as_json), target or []
    if row != (len(words) > 1):
        hint = "`cartlake lineage TABLE.COLUMN`, or `cartlake lineage --row TABLE KEY...`."
        raise UsageError("usage", "a row is named by its table and its key", hint=hint)
    with opened(project) as lake:
        if row:
            _show_rows(out, lake.row_lineage(words[0], words[1:]))
        else:
            _show_graph(out, lake.lineage(*words), *words)


def _show_graph(out: Output, graph: LineageGraph, target: str | None = None) -> None:
    out.document({"relations": [vars(each) for each in graph.relations], "flows": [vars(flow) for flow in graph.flows]})
    relation, _, column = (target or "").partition(".")
    if column:
        out.show(*_column_trees(graph, relation, column))
    elif relation:
        out.show(*_relation_trees(graph, relation), "", _columns(out, graph, relation))
    else:
        table = out.table("relation", "kind", "reads")
        for each in graph.relations:
            table.add_row(plain(each.name), Text(each.kind, _KIND_STYLES.get(each.kind, "")), ", ".join(each.reads))
        out.show(table)


def _relation_trees(graph: LineageGraph, relation: str) -> list[RenderableType]:
    kinds = {each.name: each.kind for each in graph.relations}

    def named(names: Sequence[str]) -> list[tuple[str, Text]]:
        return [
            (name, Text.assemble((plain(name), _KIND_STYLES.get(kinds[name], "")), f"  {kinds[name]}"))
            for name in names
        ]

    return [
        Text(plain(relation), "bold"),
        *_tree("is made of", relation, lambda name: named(graph.relation(name).reads)),
        *_tree("goes into", relation, lambda name: named(graph.readers(name))),
    ]


def _column_trees(graph: LineageGraph, relation: str, column: str) -> list[RenderableType]:
    def back(place: str) -> list[tuple[str, Text]]:
        flows = graph.sources(*place.rsplit(".", 1))
        return [_step(flow.from_relation, flow.from_column, flow.how) for flow in flows]

    def on(place: str) -> list[tuple[str, Text]]:
        flows = graph.uses(*place.rsplit(".", 1))
        return [_step(flow.relation, flow.column, flow.how) for flow in flows]

    place = f"{relation}.{column}"
    return [Text(plain(place), "bold"), *_tree("comes from", place, back), *_tree("goes into", place, on)]


def _step(relation: str, column: str, how: str) -> tuple[str, Text]:
    is_file = "/" in relation
    named = (plain(relation), "yellow" if is_file else "cyan"), f"{': ' if is_file else '.'}{plain(column)}"
    return f"{relation}.{column}", Text.assemble(*named, (f"  {how}", "dim"))


def _tree(title: str, root: str, branches: Branches) -> list[RenderableType]:
    """What hangs below the root; what was shown before is not unfolded again."""
    tree, shown = Tree(Text(title, "dim"), guide_style="dim"), {root}

    def grow(parent: Tree, name: str) -> None:
        for below, label in branches(name):
            is_known = below in shown and bool(branches(below))
            shown.add(below)
            branch = parent.add(label.append("  (see above)", "dim") if is_known else label)
            if not is_known:
                grow(branch, below)

    grow(tree, root)
    return [tree] if tree.children else [Text(f"{title} nothing else", "dim")]


def _columns(out: Output, graph: LineageGraph, relation: str) -> RenderableType:
    table = out.table("column", "takes its values from")
    for column in graph.relation(relation).columns:
        flows = graph.sources(relation, column)
        told = Text(", ").join(
            Text.assemble(f"{plain(flow.from_relation)}.{plain(flow.from_column)}", (f" {flow.how}", "dim"))
            for flow in flows
        )
        table.add_row(plain(column), told if flows else Text("no column: a constant, a count or the batch", "dim"))
    return table


def _show_rows(out: Output, found: Sequence[RowLineage]) -> None:
    out.document(
        [{"table": row.table, "key": row.key, "origins": [vars(origin) for origin in row.origins]} for row in found]
    )
    for row in found:
        out.show(Text(f"{plain(row.table)} {_key(row.key.values())}", "bold"))
        table = out.table("version of", "key, and since when", "file and line, and batch")
        for origin in row.origins:
            table.add_row(*_origin(origin))
        out.show(table, "")


def _origin(origin: Origin) -> list[RenderableType]:
    place = Text(plain(origin.source_file or "unknown"))
    if origin.line is not None:
        place.append(f":{origin.line}", "bold")
    since = f"\n{plain(origin.valid_from)}", "dim"
    batch = f"\n{plain(origin.batch_id)}", "dim"
    return [Text(plain(origin.table), "cyan"), Text.assemble(_key(origin.key.values()), since), place.append(*batch)]


def _key(values: Iterable[object]) -> str:
    return " ".join(map(plain, values))
