"""A disk that is really full, at many moments of a run: a clear error, and the next run finishes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartlake.errors import EngineError
from tests.pipeline.shop import Shop, a_day

pytestmark = [pytest.mark.posix, pytest.mark.slow]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """16 MB of memory as a disk. Needs the rights of an administrator."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only an administrator can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_a_run_with_its_reason_and_the_next_run_finishes(small_disk: Path, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.trade_a_day()
    shop = Shop(small_disk / "shop")
    shop.deliver("b1", **a_day())
    filler, failures = small_disk / "filler", []
    for left in (0, 8, 40, 120, 200, 300, 400, 600, 800):
        space = os.statvfs(small_disk)
        filler.write_bytes(bytes(max(space.f_bavail * space.f_frsize - left * 1024, 0)))
        try:
            shop.run()
        except EngineError as error:
            failures.append(str(error))
        shop.lake.close()
        filler.unlink()
    assert len(failures) >= 3
    assert [failure for failure in failures if "space" not in failure and "full" not in failure] == []
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert shop.production() == other.production()
    assert shop.lake.verify().findings == ()
    shop.lake.close()
    other.lake.close()
