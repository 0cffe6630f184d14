from __future__ import annotations

import hashlib
import os
import socket
import time
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from cartlake import landing
from cartlake.core.batch import LandedManifest, Landing, Plan
from cartlake.core.manifest import MAX_BYTES, Manifest
from cartlake.core.names import LandedFile
from cartlake.core.profile import Profiler
from cartlake.errors import DataError, EngineError, ManifestRefused, UsageError
from cartlake.tasks.arrivals import write_manifest

ORDERS = b"order_id,customer_id,order_amount\nO1,C1,10.00\nO2,C2,20.50\n"
MANIFEST = b'{"trigger_id": "shop-15", "batch_date": "2025-01-15", "expected_files": ["orders.csv"]}'


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def relative(content: str) -> PurePosixPath:
    return PurePosixPath("orders_data", "2025-01-15", f"orders.{content[:12]}.csv")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A landing folder with one file of orders and one manifest."""
    root = tmp_path / "landing"
    for folder in ("orders_data/source", "products_data/source", "trigger_file"):
        (root / folder).mkdir(parents=True)
    (root / "orders_data/source/orders.csv").write_bytes(ORDERS)
    (root / "trigger_file/trigger.json").write_bytes(MANIFEST)
    return root


@pytest.fixture
def orders(shop: Path) -> Path:
    return shop / "orders_data/source/orders.csv"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def look(shop: Path) -> Landing:
    return landing.look(shop, ("orders_data", "products_data"), "trigger_file")


def files_under(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class Interrupted:
    """A profiler that lets `event` happen while the first chunk is read."""

    def __init__(self, event: Any) -> None:
        self._inner, self._event = Profiler(), event

    def __call__(self, *_: object) -> Interrupted:
        return self

    def update(self, chunk: bytes) -> None:
        self._inner.update(chunk)
        self._event()

    def finish(self) -> Any:
        return self._inner.finish()


# look


def test_landed_files_are_listed_and_manifests_read(shop: Path, orders: Path) -> None:
    seen = look(shop)
    (file,), (manifest,) = seen.files, seen.manifests
    assert (file.folder, file.name, file.size) == ("orders_data", "orders.csv", len(ORDERS))
    assert file.changed_at.tzinfo is UTC
    assert landing.landed_path(shop, file) == orders
    assert (manifest.name, manifest.sha256) == ("trigger.json", sha256(MANIFEST))
    assert isinstance(manifest.content, Manifest)
    assert manifest.content.batch_id == "shop-15"
    assert seen.notices == ()
    assert landing.landed_files(shop, ("orders_data",), []) == seen.files


def test_the_sample_is_seen_in_the_default_layout(sample_data: Path) -> None:
    folders = ("orders_data", "customer_data", "products_data", "inventory_data", "shipping_data")
    seen = landing.look(sample_data / "2025_01_15", folders, "trigger_file")
    (manifest,) = seen.manifests
    assert isinstance(manifest.content, Manifest)
    assert {file.name for file in seen.files} == {file.name for file in manifest.content.files}


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere") == Landing()


def test_locks_partial_downloads_and_hidden_files_are_passed_over_in_silence(shop: Path, orders: Path) -> None:
    for name in ("~$orders.xlsx", "orders.tmp", "orders.csv.crdownload", ".DS_Store", "Thumbs.db", ".orders.csv.swp"):
        orders.with_name(name).write_bytes(b"x")
        (shop / "trigger_file" / name).write_bytes(b"x")
    seen = look(shop)
    assert ([file.name for file in seen.files], len(seen.manifests), seen.notices) == (["orders.csv"], 1, ())


def test_folders_in_landing_are_told_of_and_not_entered(shop: Path, orders: Path) -> None:
    (orders.parent / "old").mkdir()
    (orders.parent / "old" / "orders.csv").write_bytes(ORDERS)
    seen = look(shop)
    assert len(seen.files) == 1
    assert seen.notices == ("orders_data/old: passed over, it is no regular file",)


def test_a_manifest_not_named_json_is_told_of_and_not_read(shop: Path) -> None:
    (shop / "trigger_file/trigger.json.txt").write_bytes(MANIFEST)
    (shop / "trigger_file/TRIGGER_2.JSON").write_bytes(MANIFEST)
    seen = look(shop)
    assert {manifest.name for manifest in seen.manifests} == {"trigger.json", "TRIGGER_2.JSON"}
    assert seen.notices == ("trigger.json.txt: not read, a manifest's name ends in .json",)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "manifest_not_json"),
        (b"[" * 100_000, "manifest_too_deep"),
        (b"x" * (MAX_BYTES + 1), "manifest_too_large"),
        (MANIFEST.replace(b"orders.csv", b"../orders.csv"), "manifest_file_name"),
    ],
)
def test_a_broken_manifest_is_seen_with_its_refusal_beside_the_good_one(shop: Path, data: bytes, code: str) -> None:
    (shop / "trigger_file/broken.json").write_bytes(data)
    broken, good = look(shop).manifests
    assert isinstance(broken.content, ManifestRefused)
    assert (broken.content.code, broken.sha256) == (code, sha256(data))
    assert isinstance(good.content, Manifest)


@pytest.mark.posix
def test_links_pipes_and_sockets_are_told_of_and_never_opened(
    shop: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(orders.parent)
    orders.with_name("link.csv").symlink_to("/etc/passwd")
    os.mkfifo(orders.with_name("pipe.csv"))
    (shop / "trigger_file/link.json").symlink_to(shop / "trigger_file/trigger.json")
    os.mkfifo(shop / "trigger_file/pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.csv")
        seen = look(shop)
    assert ([file.name for file in seen.files], len(seen.manifests)) == (["orders.csv"], 1)
    told = {notice.partition(":")[0] for notice in seen.notices}
    assert told == {
        "orders_data/link.csv", "orders_data/pipe.csv", "orders_data/socket.csv", "trigger_file/link.json",
        "trigger_file/pipe.json",
    }  # fmt: skip


@pytest.mark.posix
def test_names_that_no_manifest_can_name_are_told_of_without_their_control_characters(shop: Path, orders: Path) -> None:
    orders.with_name("evil\x1b[2J.csv").write_bytes(ORDERS)
    Path(os.fsdecode(os.fsencode(orders.parent) + b"/caf\xe9.csv")).write_bytes(ORDERS)
    orders.with_name("nul.csv").write_bytes(ORDERS)
    orders.with_name("*.csv").write_bytes(ORDERS)
    seen = look(shop)
    assert [file.name for file in seen.files] == ["*.csv", "orders.csv"]
    assert len(seen.notices) == 3
    assert all("no manifest can name it" in notice and notice.isprintable() for notice in seen.notices)


@pytest.mark.posix
def test_what_may_not_be_read_is_told_of(shop: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (shop / "trigger_file/trigger.json").chmod(0)
    seen = look(shop)
    assert seen.manifests == ()
    assert "trigger.json" in seen.notices[0]


def test_a_folder_that_is_read_only_is_told_of_once_something_lies_there(
    shop: Path, orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) == shop / "trigger_file")  # root may write anywhere
    assert look(shop).notices == ("orders_data: cartlake may not write here; what it has loaded stays until it may",)
    orders.unlink()
    assert look(shop).notices == ()


def test_a_file_in_the_place_of_a_folder_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "trigger_file").write_bytes(b"")
    assert "trigger_file: the folder cannot be read" in look(tmp_path).notices[0]


def test_the_time_of_a_change_is_not_the_old_time_that_a_copy_keeps(shop: Path, orders: Path) -> None:
    os.utime(orders, (0, 0))
    assert look(shop).files[0].changed_at > datetime(2020, 1, 1, tzinfo=UTC)


def test_hashes_are_of_the_files_as_they_were_looked_at(shop: Path, orders: Path) -> None:
    (orders.parent / "more.csv").write_bytes(b"more")
    more, first = look(shop).files
    gone = LandedFile("orders_data", "gone.csv", 1, first.changed_at)
    (orders.parent / "more.csv").write_bytes(b"more and more")
    assert landing.hashes(shop, (more, first, gone)) == {first: sha256(ORDERS)}


# claim


def test_a_claim_copies_hashes_and_profiles_and_leaves_the_source(orders: Path, archive: Path) -> None:
    claimed = landing.claim(orders, archive, relative)
    assert claimed.path == archive / f"orders_data/2025-01-15/orders.{sha256(ORDERS)[:12]}.csv"
    assert claimed.path.read_bytes() == ORDERS == orders.read_bytes()
    assert (claimed.sha256, claimed.landed) == (sha256(ORDERS), (len(ORDERS), sha256(ORDERS)))
    assert (claimed.profile.sha256, claimed.profile.lines) == (sha256(ORDERS), 3)
    assert landing.profile_archived(claimed.path) == claimed.profile
    assert len(files_under(archive)) == 1


@pytest.mark.parametrize("size", [0, 1, 2 * 1024 * 1024 + 17])
def test_every_byte_is_claimed_whatever_the_size(orders: Path, archive: Path, size: int) -> None:
    data = bytes(index * 7 % 251 for index in range(1000)) * (size // 1000 + 1)
    orders.write_bytes(data[:size])
    assert landing.claim(orders, archive, relative).path.read_bytes() == data[:size]


def test_claiming_the_same_content_again_keeps_the_archived_file(orders: Path, archive: Path) -> None:
    first = landing.claim(orders, archive, relative).path
    os.utime(first, (0, 0))
    assert landing.claim(orders, archive, relative).path == first
    assert first.stat().st_mtime == 0
    assert len(files_under(archive)) == 1


def test_other_content_in_the_archive_is_never_overwritten(orders: Path, archive: Path) -> None:
    place = archive / relative(sha256(ORDERS))
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    with pytest.raises(DataError) as caught:
        landing.claim(orders, archive, relative)
    assert caught.value.code == "archive_conflict"
    assert place.read_bytes() == b"something else"
    assert len(files_under(archive)) == 1


@pytest.mark.parametrize("change", [b"O3,C3,1.00\n", b""])
def test_a_file_that_changes_while_it_is_read_waits(
    orders: Path, archive: Path, change: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> None:
        with orders.open("ab") as file:
            file.write(change)
        os.utime(orders, (1, 1))

    monkeypatch.setattr(landing, "Profiler", Interrupted(written))
    with pytest.raises(DataError) as caught:
        landing.claim(orders, archive, relative)
    assert caught.value.code == "file_still_written"
    assert files_under(archive) == []


def test_a_file_that_ends_early_is_not_taken_for_whole(
    orders: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Interrupted):
        def finish(self) -> Any:
            os.truncate(orders, 8 * 1024 * 1024)
            os.utime(orders, (1, 1))
            return super().finish()

    orders.write_bytes(b"x" * 8 * 1024 * 1024)
    os.utime(orders, (1, 1))
    monkeypatch.setattr(landing, "Profiler", Short(lambda: os.truncate(orders, 1024 * 1024)))
    with pytest.raises(DataError) as caught:
        landing.claim(orders, archive, relative)
    assert caught.value.code == "file_still_written"
    assert files_under(archive) == []


def test_an_interrupted_claim_leaves_nothing_in_the_archive(
    orders: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(landing, "Profiler", Interrupted(interrupt))
    with pytest.raises(KeyboardInterrupt):
        landing.claim(orders, archive, relative)
    assert files_under(archive) == []


def test_a_full_disk_is_an_engine_error(orders: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(landing, "Profiler", Interrupted(full))
    with pytest.raises(EngineError, match="No space left") as caught:
        landing.claim(orders, archive, relative)
    assert (caught.value.code, files_under(archive)) == ("archive_failed", [])


def test_leftovers_of_dead_claims_are_removed_after_a_day_and_not_before(orders: Path, archive: Path) -> None:
    archive.mkdir()
    hours = {"claim-old.part": 25, "claim-new.part": 23, "orders.part": 25}
    for name, age in hours.items():
        (archive / name).write_bytes(b"half")
        os.utime(archive / name, (time.time() - age * 3600,) * 2)
    landing.claim(orders, archive, relative)
    assert [name for name in files_under(archive) if "/" not in name] == ["claim-new.part", "orders.part"]


def test_a_file_that_is_gone_or_a_folder_is_not_claimed(orders: Path, archive: Path) -> None:
    with pytest.raises(DataError) as caught:
        landing.claim(orders.with_name("gone.csv"), archive, relative)
    assert caught.value.code == "file_missing"
    with pytest.raises(DataError) as caught:
        landing.claim(orders.parent, archive, relative)
    assert caught.value.code == "file_not_regular"
    assert files_under(archive) == []


@pytest.mark.posix
def test_a_link_or_a_pipe_is_not_claimed(orders: Path, archive: Path) -> None:
    link, pipe = orders.with_name("link.csv"), orders.with_name("pipe.csv")
    link.symlink_to("/etc/passwd")
    os.mkfifo(pipe)
    for source in (link, pipe):
        with pytest.raises(DataError) as caught:
            landing.claim(source, archive, relative)
        assert caught.value.code == "file_not_regular"
    assert files_under(archive) == []


@pytest.mark.posix
@pytest.mark.parametrize("is_pipe", [False, True])
def test_a_file_that_becomes_a_link_or_a_pipe_just_before_the_open_is_not_claimed(
    orders: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, is_pipe: bool
) -> None:
    state, (source, secret) = orders.lstat(), (orders.with_name("swapped.csv"), orders.with_name("secret.txt"))
    secret.write_bytes(b"secret")
    if is_pipe:
        os.mkfifo(source)
    else:
        source.symlink_to(secret)
    monkeypatch.setattr(Path, "lstat", lambda _: state)
    with pytest.raises(DataError) as caught:
        landing.claim(source, archive, relative)
    assert caught.value.code == "file_not_regular"


def test_a_file_locked_by_another_program_on_windows_waits(
    orders: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(path: Path, flags: int) -> int:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(os, "open", locked)
    monkeypatch.setattr(landing, "_IS_WINDOWS", True)
    with pytest.raises(DataError) as caught:
        landing.claim(orders, archive, relative)
    assert caught.value.code == "file_still_written"
    monkeypatch.setattr(landing, "_IS_WINDOWS", False)
    with pytest.raises(DataError) as caught:
        landing.claim(orders, archive, relative)
    assert caught.value.code == "file_not_readable"


def test_a_literal_star_in_a_name_is_only_that_file(orders: Path, archive: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    orders.with_name("*.csv").write_bytes(b"star")
    assert landing.claim(orders.with_name("*.csv"), archive, relative).path.read_bytes() == b"star"
    assert landing.remove_landed(orders.with_name("*.csv"), sha256(b"star"))
    assert orders.exists()


# tidying


def test_a_landed_file_is_removed_only_while_it_is_the_content_that_was_claimed(orders: Path) -> None:
    assert not landing.remove_landed(orders, sha256(b"other"))
    assert orders.exists()
    assert landing.remove_landed(orders, sha256(ORDERS))
    assert not orders.exists()
    assert not landing.remove_landed(orders, sha256(ORDERS))


def test_a_correction_that_lands_while_the_old_content_is_compared_stays(
    orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corrected(opened: Any, _: str) -> str:
        content = sha256(opened.read())
        fresh = orders.with_name("fresh.tmp")
        fresh.write_bytes(ORDERS + b"O3,C3,3.00\n")
        fresh.replace(orders)
        return content

    monkeypatch.setattr(landing, "sha256_of", corrected)
    assert not landing.remove_landed(orders, sha256(ORDERS))
    assert orders.read_bytes().endswith(b"O3,C3,3.00\n")


@pytest.mark.posix
def test_a_link_to_the_same_content_is_not_removed(orders: Path) -> None:
    link = orders.with_name("link.csv")
    link.symlink_to(orders)
    assert not landing.remove_landed(link, sha256(ORDERS))
    assert link.is_symlink()


def test_a_finished_manifest_moves_to_the_archive_under_its_date(shop: Path, archive: Path) -> None:
    (landed,) = look(shop).manifests
    assert landing.archive_manifest(landed, shop / "trigger_file", archive)
    assert files_under(shop / "trigger_file") == []
    moved = archive / f"trigger_file/2025-01-15/trigger.{sha256(MANIFEST)[:12]}.json"
    assert moved.read_bytes() == MANIFEST
    assert not landing.archive_manifest(landed, shop / "trigger_file", archive)


def test_a_manifest_that_was_dropped_anew_since_it_was_looked_at_stays(shop: Path, archive: Path) -> None:
    (landed,) = look(shop).manifests
    (shop / "trigger_file/trigger.json").write_bytes(MANIFEST + b"\n")
    assert not landing.archive_manifest(landed, shop / "trigger_file", archive)
    assert (shop / "trigger_file/trigger.json").read_bytes() == MANIFEST + b"\n"


def test_a_refused_manifest_is_never_moved(shop: Path, archive: Path) -> None:
    (shop / "trigger_file/trigger.json").write_bytes(b"{")
    (landed,) = look(shop).manifests
    assert not landing.archive_manifest(landed, shop / "trigger_file", archive)
    assert (shop / "trigger_file/trigger.json").exists()


def test_tidying_does_what_the_plan_says_and_no_more(shop: Path, orders: Path, archive: Path) -> None:
    orders.with_name("next.csv").write_bytes(b"next")
    seen = look(shop)
    following, repeated = seen.files
    changed = {repeated: sha256(ORDERS), following: sha256(b"was another")}
    landing.tidy(shop, archive, "trigger_file", Plan(tidy_manifests=seen.manifests, tidy_files=changed))
    assert files_under(shop) == ["orders_data/source/next.csv"]
    assert len(files_under(archive)) == 1


# writing


def test_a_manifest_is_written_whole_and_read_back(shop: Path) -> None:
    path = write_manifest(shop / "trigger_file", "trigger_2025-01-15-1.json", MANIFEST.replace(b'15"', b'16"'))
    assert path.read_bytes() == MANIFEST.replace(b'15"', b'16"')
    assert files_under(shop / "trigger_file") == ["trigger.json", "trigger_2025-01-15-1.json"]
    assert len(look(shop).manifests) == 2


def test_a_manifest_is_never_overwritten(shop: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_manifest(shop / "trigger_file", "trigger.json", b"{}")
    assert caught.value.code == "manifest_exists"
    assert (shop / "trigger_file/trigger.json").read_bytes() == MANIFEST
    assert files_under(shop / "trigger_file") == ["trigger.json"]


def test_a_manifest_folder_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    assert write_manifest(tmp_path / "landing/trigger_file", "a.json", MANIFEST).read_bytes() == MANIFEST


def test_a_manifest_that_changes_while_it_is_read_waits_and_is_told_of(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def written(path: Path, flags: int) -> int:
        with Path(path).open("ab") as file:
            file.write(b" ")
        return real(path, flags)

    monkeypatch.setattr(os, "open", written)
    seen = look(shop)
    assert seen.manifests == ()
    assert "trigger.json" in seen.notices[0]


def test_a_landed_manifest_carries_when_it_landed(shop: Path) -> None:
    landed: LandedManifest = look(shop).manifests[0]
    assert landed.landed_at.tzinfo is UTC
    assert isinstance(landed.content, Manifest)
    assert landed.content.batch_date == date(2025, 1, 15)
