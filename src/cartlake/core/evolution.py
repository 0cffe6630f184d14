"""`evolve: add`: the columns that files bring beyond the contract are columns of the history.

Nothing remembers them but the accepted files themselves: the log keeps the cells in `_rescued`, the ledger the names.
So the columns are a function of the data, as the rows are (docs/adr/0053).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import replace

from cartlake.core.contract import Contract, Field, spelled
from cartlake.core.rules import quoted
from cartlake.core.sqltext import name
from cartlake.core.tables import LINEAGE, VERSION_COLUMNS

MOST_ADDED = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_OURS = frozenset(column.name for column in (*VERSION_COLUMNS, *LINEAGE)) | {"sequence"}


def listed(names: Iterable[str]) -> str | None:
    """Names as one text, quoted where a comma or quote stands in one; None for none."""
    quoted = ('"' + each.replace('"', '""') + '"' if set(each) & set(',"\r\n') else each for each in names)
    return ",".join(quoted) or None


def names_in(text: str | None) -> list[str]:
    """The names in such a text."""
    return next(csv.reader(io.StringIO(text, newline="")), []) if text else []


def with_added(contract: Contract, names: Iterable[str]) -> Contract:
    """The contract with the columns that files name so; as it is, unless it says `evolve: add`. Header names that
    differ only in case, blanks and `-` are one column. What is no plain name (lower case: a letter, then letters,
    digits and `_`, at most 60), or is one of ours, stays in `_rescued` alone."""
    if contract.evolve != "add":
        return contract
    taken, sources = {field.name for field in contract.fields} | _OURS, dict[str, set[str]]()
    for each in names:
        if _NAME.fullmatch(spelled(each)) and spelled(each) not in taken:
            sources.setdefault(spelled(each), set()).add(each)
    return replace(
        contract,
        added=tuple(
            Field(column, "string", source_names=tuple(sorted(sources[column])), personal=True)
            for column in sorted(sources)
        ),
    )


def kept_aside(contract: Contract, names: Iterable[str]) -> list[str]:
    """Those of the unknown columns that no table has: they stay in `_rescued` alone."""
    found = set(names)
    return sorted(found.difference(*(field.source_names for field in with_added(contract, found).added)))


def added_value(field: Field, alias: str) -> str:
    """SQL: the value of an added column in a row of the log; of several spellings the first that has one."""
    found = (f"element_at({name('_rescued', alias)}, {quoted(each)})" for each in field.source_names)
    cells = ", ".join(f"nullif(trim({each}), '')" for each in found)
    return f"coalesce({cells}, CAST(NULL AS string)) AS {name(field.name)}"
