"""Settings: what is wrong is said where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartlake.errors import ConfigError
from cartlake.settings import load_settings


def refused(
    project: Path, environment: dict[str, str], flags: dict[str, dict[str, object]]
) -> tuple[str | None, str, str | None]:
    with pytest.raises(ConfigError) as caught:
        load_settings(project, environment, flags)
    return caught.value.file, caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("file", "environment", "flags", "place"),
    [
        ("threads = 'many'", {}, {}, "cartlake.toml"),
        ("threads = 2", {"CARTLAKE_ENGINE__THREADS": "many"}, {}, "CARTLAKE_ENGINE__THREADS"),
        ("threads = 2", {"CARTLAKE_ENGINE__THREADS": "2"}, {"engine": {"threads": "many"}}, None),
    ],
)
def test_a_wrong_value_is_told_where_it_was_given(
    tmp_path: Path, file: str, environment: dict[str, str], flags: dict[str, dict[str, object]], place: str | None
) -> None:
    (tmp_path / "cartlake.toml").write_text(f"[engine]\n{file}\n")
    found, message, hint = refused(tmp_path, environment, flags)
    assert (found, message[:22], hint) == (place, "engine.threads: Input ", None)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("engine", "memory_limit", "lots", "'lots' is no size with its unit, such as 800MB or 2GiB"),
        ("engine", "memory_limit", "800", "'800' is no size with its unit, such as 800MB or 2GiB"),
        ("business", "reporting_currency", "usd", "'usd' is no code of a currency, such as EUR"),
    ],
)
def test_what_only_an_engine_would_refuse_or_nothing_is_refused_as_a_setting(
    tmp_path: Path, section: str, key: str, value: str, said: str
) -> None:
    assert refused(tmp_path, {}, {section: {key: value}}) == (None, f"{section}.{key}: {said}", None)


def test_a_name_that_nobody_knows_is_told_with_those_that_are_like_it(tmp_path: Path) -> None:
    key = refused(tmp_path, {"CARTLAKE_ENGINE__THREAD": "2"}, {})
    assert key == ("CARTLAKE_ENGINE__THREAD", "there is no setting engine.thread", "Did you mean `threads`?")
    section = refused(tmp_path, {}, {"engines": {"threads": 2}})
    assert section == (None, "there is no setting engines", "Did you mean `engine`?")


def test_a_list_has_its_place_in_the_file(tmp_path: Path) -> None:
    _, message, hint = refused(tmp_path, {}, {"business": {"not_sale_statuses": "void"}})
    assert (message, hint) == (
        "business.not_sale_statuses is a list",
        'In cartlake.toml it is written as ["first", "second"].',
    )
