"""Results of pure functions that may outlive the process that computed them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar, cast

Result: TypeAlias = str | tuple[str, ...] | None
P = ParamSpec("P")
R = TypeVar("R", bound=Result)

_known: dict[str, Result] = {}


def known() -> Mapping[str, Result]:
    """What is known of all functions, by function and arguments; it may be given to `learn` elsewhere."""
    return _known


def learn(results: Mapping[str, Result]) -> None:
    """`results` of the same functions, computed by the same source, are not computed again."""
    _known.update(results)


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, asked once for the same arguments, which are texts and tuples of them and nobody's data. Errors are
    not kept."""

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        name = hashlib.sha256(repr((function.__qualname__, args, kwargs)).encode("utf-8", "surrogatepass")).hexdigest()
        if name not in _known:
            _known[name] = function(*args, **kwargs)
        return cast(R, _known[name])

    return asked
