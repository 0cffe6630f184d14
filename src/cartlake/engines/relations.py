"""Names and what they mean. A definition is text that travels with the query that needs it (docs/adr/0006)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """The SQL of a relation that is computed whenever it is read, and the relations it reads itself; `lasting` is the
    SQL for those who read it later, where that is another one."""

    sql: str
    tables: tuple[str, ...] = ()
    lasting: str | None = None


class Relations:
    """The relations of one engine, by name and scope. `cte` says in the engine's SQL that a name is a query; `drop`
    takes back what the engine made for a name, and does nothing for a name it made nothing for."""

    def __init__(self, cte: Callable[[str, str], str], drop: Callable[[str], None]) -> None:
        self._cte = cte
        self._drop = drop
        self._views: dict[str, View] = {}
        self._scopes: list[set[str]] = [set()]

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Relations made inside are gone afterwards."""
        self._scopes.append(set())
        try:
            yield
        finally:
            for name in self._scopes.pop():
                self.forget(name)

    def define(self, name: str, view: View) -> None:
        """`name` is `view`, whatever it was before."""
        self.forget(name)
        self._views[name] = view
        self.note(name)

    def note(self, name: str) -> None:
        """`name` belongs to the innermost scope."""
        self._scopes[-1].add(name)

    def undefine(self, name: str) -> None:
        """`name` is no definition; the engine is about to make something of that name."""
        self._views.pop(name, None)

    def forget(self, name: str) -> None:
        """`name` means nothing."""
        self.undefine(name)
        self._drop(name)

    def whole(self, sql: str, tables: Iterable[str], *, is_lasting: bool = False) -> str:
        """`sql`, which reads `tables`, with the definitions it needs in front."""
        needed: dict[str, View] = {}
        for name in tables:
            self._collect(name, needed)
        if not needed:
            return sql
        texts = {name: view.lasting if is_lasting and view.lasting else view.sql for name, view in needed.items()}
        return f"WITH {', '.join(self._cte(name, text) for name, text in texts.items())} {_nested(sql)}"

    def _collect(self, name: str, needed: dict[str, View]) -> None:
        view = self._views.get(name)
        if view is not None and name not in needed:
            for inner in view.tables:
                self._collect(inner, needed)
            needed[name] = view


def _nested(sql: str) -> str:
    """A query that may begin with WITH, where another WITH stands in front."""
    return f"SELECT * FROM ({sql})" if sql.lstrip()[:4].upper() == "WITH" else sql
