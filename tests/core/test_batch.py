from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.arrival import files_to_claim, files_to_hash, owners, plan
from cartlake.core.batch import Batch, BatchStatus, Known, LandedManifest, Landing, Plan, Policy, announced
from cartlake.core.manifest import Manifest, parse_manifest
from cartlake.core.names import LandedFile
from cartlake.core.quiet import quiet_batches
from cartlake.core.unannounced import namesakes, unannounced, unread
from cartlake.errors import ManifestRefused

S = BatchStatus
NOW = datetime(2025, 1, 16, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
WAIT = Policy()


def manifest(
    files: str = "orders.csv", batch_id: str | None = "shop-15", name: str = "trigger.json", **keys: object
) -> LandedManifest:
    """A landed manifest that names `files`, parted by blanks."""
    body = {"batch_date": "2025-01-15", "expected_files": files.split()} | (
        {"trigger_id": batch_id} if batch_id else {}
    )
    data = json.dumps(body | keys).encode()
    content: Manifest | ManifestRefused
    try:
        content = parse_manifest(name, data)
    except ManifestRefused as refused:
        content = refused
    return LandedManifest(name, hashlib.sha256(data).hexdigest(), EARLIER, content)


def file(name: str, folder: str = "orders_data", changed_at: datetime = EARLIER) -> LandedFile:
    return LandedFile(folder, name, 100, changed_at)


def batch(landed: LandedManifest, status: BatchStatus, recorded_at: datetime = NOW, **changes: object) -> Batch:
    assert isinstance(landed.content, Manifest)
    waiting_for = announced(landed.content, NOW).waiting_for if status is S.WAITING else ()
    row = replace(announced(landed.content, recorded_at), status=status, waiting_for=waiting_for)
    return replace(row, **changes)  # type: ignore[arg-type]


def knowing(
    *batches: Batch,
    claimed: Mapping[str, Mapping[str, str]] | None = None,
    hashes: Mapping[LandedFile, str] | None = None,
) -> Known:
    return Known(claimed=claimed or {}, hashes=hashes or {}).after(batches)


def only(decided: Plan) -> Batch:
    assert len(decided.batches) == 1, decided.batches
    return decided.batches[0]


# waiting and ready


def test_a_batch_whose_files_are_all_there_is_ready() -> None:
    seen = Landing((manifest("orders.csv products.csv"),), (file("orders.csv"), file("products.csv", "products_data")))
    row = only(plan(seen, Known(), WAIT, NOW))
    assert (row.batch_id, row.batch_date, row.status) == ("shop-15", date(2025, 1, 15), S.READY)
    assert (row.reason, row.waiting_for, row.recorded_at) == (None, (), NOW)


def test_a_batch_waits_and_says_for_which_files() -> None:
    seen = Landing((manifest("orders.csv products.csv customers.csv"),), (file("products.csv", "products_data"),))
    row = only(plan(seen, Known(), WAIT, NOW))
    assert (row.status, row.waiting_for) == (S.WAITING, ("orders.csv", "customers.csv"))
    assert row.reason == "waiting for orders.csv, customers.csv"


def test_a_waiting_batch_becomes_ready_when_the_last_file_lands_also_without_its_manifest_in_landing() -> None:
    known = knowing(batch(manifest(), S.WAITING, reason="waiting for orders.csv"))
    assert only(plan(Landing(files=(file("orders.csv"),)), known, WAIT, NOW)).status is S.READY


def test_a_file_the_batch_has_claimed_is_there() -> None:
    known = knowing(batch(manifest(), S.WAITING), claimed={"shop-15": {"orders.csv": "a"}})
    assert only(plan(Landing(), known, WAIT, NOW)).status is S.READY


def test_a_ready_batch_whose_file_was_taken_away_waits_again() -> None:
    assert only(plan(Landing(), knowing(batch(manifest(), S.READY)), WAIT, NOW)).status is S.WAITING


def test_names_that_differ_only_by_case_are_one() -> None:
    assert only(plan(Landing((manifest("orders.csv"),), (file("ORDERS.CSV"),)), Known(), WAIT, NOW)).status is S.READY


@pytest.mark.parametrize("other", [file("orders.csv", "products_data"), file("Orders.csv")])
def test_a_name_that_lies_there_twice_is_nobodys_guess_and_the_batch_waits(other: LandedFile) -> None:
    row = only(plan(Landing((manifest(),), (file("orders.csv"), other)), Known(), WAIT, NOW))
    assert (row.status, row.waiting_for) == (S.WAITING, ("orders.csv",))
    assert "more than once (orders_data/orders.csv, " in (row.reason or "")


def test_data_files_ready_false_only_announces_until_the_next_manifest_of_its_id() -> None:
    early, files = manifest(data_files_ready=False, name="early.json"), (file("orders.csv"),)
    row = only(plan(Landing((early,), files), Known(), Policy(0, "fail"), NOW))
    assert (row.status, row.waiting_for) == (S.WAITING, ())
    assert "announced" in (row.reason or "")
    decided = plan(Landing((early, manifest(name="now.json")), files), Known().after([row]), WAIT, NOW)
    assert (only(decided).status, decided.tidy_manifests) == (S.READY, (early,))


def test_a_long_list_of_missing_files_is_cut_in_the_reason_only() -> None:
    row = only(plan(Landing((manifest(" ".join(f"orders_{n}.csv" for n in range(9))),)), Known(), WAIT, NOW))
    assert (row.reason or "").endswith("orders_4.csv and 4 more")
    assert len(row.waiting_for) == 9


# what happens after wait_for_files


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (Policy(3600, "wait"), S.WAITING),
        (Policy(3600, "fail"), S.FAILED),
        (Policy(3600, "partial"), S.READY),
        (Policy(3601, "fail"), S.WAITING),
        (Policy(3601, "partial"), S.WAITING),
        (Policy(None, "fail"), S.WAITING),
    ],
)
def test_after_wait_for_files_the_policy_decides(policy: Policy, status: BatchStatus) -> None:
    waiting = batch(manifest("orders.csv products.csv"), S.WAITING, EARLIER)
    row = only(plan(Landing(files=(file("orders.csv"),)), knowing(waiting), policy, NOW))
    assert (row.status, row.waiting_for) == (status, ("products.csv",))
    assert "products.csv" in (row.reason or "")


def test_the_wait_is_counted_from_the_first_record_of_the_manifest_not_from_its_last_change() -> None:
    waiting = batch(manifest("orders.csv products.csv"), S.WAITING, EARLIER)
    known = knowing(waiting, replace(waiting, waiting_for=("products.csv",), recorded_at=NOW))
    assert only(plan(Landing(files=(file("orders.csv"),)), known, Policy(3600, "fail"), NOW)).status is S.FAILED


def test_no_file_at_all_is_no_partial_batch() -> None:
    known = knowing(batch(manifest(), S.WAITING, EARLIER))
    assert only(plan(Landing(), known, Policy(60, "partial"), NOW)).status is S.WAITING


def test_a_batch_that_failed_for_missing_files_goes_on_when_all_of_them_land() -> None:
    failed = batch(manifest("a.csv b.csv c.csv"), S.FAILED, waiting_for=("b.csv", "c.csv"), reason="not there")
    some = (file("a.csv"), file("b.csv"))
    assert plan(Landing(files=some), knowing(failed), WAIT, NOW).batches == ()
    row = only(plan(Landing(files=(*some, file("c.csv"))), knowing(failed), WAIT, NOW))
    assert (row.status, row.waiting_for, row.reason) == (S.READY, (), None)


# the same id


@pytest.mark.parametrize("status", [S.PUBLISHED, S.HELD, S.REJECTED])
def test_the_same_id_and_content_changes_nothing_and_landing_is_tidied(status: BatchStatus) -> None:
    landed, orders = replace(manifest(), landed_at=NOW + timedelta(hours=1)), file("orders.csv")
    known = knowing(batch(landed, status), claimed={"shop-15": {"orders.csv": "a"}}, hashes={orders: "a"})
    decided = plan(Landing((landed,), (orders, file("other.csv"))), known, WAIT, NOW)
    assert (decided.batches, decided.tidy_manifests, decided.tidy_files) == ((), (landed,), {orders: "a"})
    assert decided.notices == (f'trigger.json: its batch "shop-15" is {status}: nothing to do; goes to the archive',)


@pytest.mark.parametrize("status", [S.WAITING, S.READY, S.RUNNING, S.FAILED])
def test_the_manifest_of_an_open_batch_stays_and_a_copy_of_it_is_tidied(status: BatchStatus) -> None:
    landed, copy = manifest(), manifest(name="copy of trigger.json")
    known = knowing(batch(landed, status, reason="waiting for orders.csv" if status is S.WAITING else None))
    files = () if status is S.WAITING else (file("orders.csv"),)
    decided = plan(Landing((landed, copy), files), known, WAIT, NOW)
    assert (decided.batches, decided.tidy_manifests) == ((), (copy,))
    assert decided.notices == ("copy of trigger.json: repeats trigger.json; goes to the archive",)
    renamed = plan(Landing((copy,), files), known, WAIT, NOW)
    assert (renamed.batches, renamed.tidy_manifests) == ((), ())


@pytest.mark.parametrize("status", [S.WAITING, S.READY, S.FAILED, S.REJECTED])
def test_the_same_id_with_another_manifest_replaces_what_is_not_decided(status: BatchStatus) -> None:
    old, new = manifest(), manifest("orders.csv products.csv", name="corrected.json")
    known = knowing(batch(old, status, reason="before", run_id="r1", verdict="FAIL"))
    decided = plan(Landing((old, new), (file("orders.csv"),)), known, WAIT, NOW)
    row = only(decided)
    assert (row.batch_id, row.status, row.waiting_for) == ("shop-15", S.WAITING, ("products.csv",))
    assert (row.manifest_sha256, row.run_id, row.verdict) == (new.sha256, None, None)
    assert decided.tidy_manifests == (old,)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (S.HELD, {}),
        (S.PUBLISHED, {}),
        (S.RUNNING, {}),
        (S.READY, {"is_released": True}),
        (S.READY, {"restage": True}),
    ],
)
def test_the_same_id_with_another_manifest_is_refused_when_its_content_is_decided_or_under_way(
    status: BatchStatus, changes: dict[str, object]
) -> None:
    new = manifest("orders.csv products.csv", name="corrected.json")
    known = knowing(replace(batch(manifest(), status), **changes))  # type: ignore[arg-type]
    decided = plan(Landing((new,), (file("orders.csv"),)), known, WAIT, NOW)
    row = only(decided)
    assert (row.batch_id, row.status, row.files) == (new.sha256, S.FAILED, ())
    assert "shop-15" in (row.reason or "")
    assert "new trigger_id" in (row.reason or "")
    assert (row.manifest_name, row.manifest_text) == ("corrected.json", new.content.text)  # type: ignore[union-attr]
    assert decided.tidy_manifests == ()
    assert plan(Landing((new,)), known.after([row]), WAIT, NOW).batches == ()


def test_a_refused_manifest_is_followed_once_its_batch_is_rejected() -> None:
    new = manifest("orders.csv products.csv", name="corrected.json")
    known = knowing(batch(manifest(), S.HELD))
    known = known.after(plan(Landing((new,)), known, WAIT, NOW).batches)
    row = only(plan(Landing((new,)), known.after([batch(manifest(), S.REJECTED)]), WAIT, NOW))
    assert (row.batch_id, row.status) == ("shop-15", S.WAITING)


def test_a_manifest_that_was_replaced_does_not_come_back() -> None:
    old, new = manifest(), manifest("products.csv", name="corrected.json")
    known = knowing(batch(old, S.WAITING), batch(new, S.WAITING, reason="waiting for products.csv"))
    decided = plan(Landing((old, new)), known, WAIT, NOW)
    assert (decided.batches, decided.tidy_manifests) == ((), (old,))
    assert decided.notices == ("trigger.json: was replaced by corrected.json; goes to the archive",)


def test_of_two_new_manifests_of_one_id_the_newest_stands_and_both_are_recorded() -> None:
    late = manifest("products.csv", name="a.json", trigger_timestamp="2025-01-15T11:00:00Z")
    early = manifest("orders.csv", name="b.json", trigger_timestamp="2025-01-15T10:00:00Z")
    decided = plan(Landing((late, early)), Known(), WAIT, NOW)
    assert [row.manifest_sha256 for row in decided.batches] == [early.sha256, late.sha256]
    assert decided.tidy_manifests == (early,)


@pytest.mark.parametrize("status", [S.PUBLISHED, S.HELD])
@pytest.mark.parametrize("claimed", [{"orders.csv": "a"}, {}])
def test_the_same_manifest_dropped_again_with_another_file_is_other_content_and_refused(
    status: BatchStatus, claimed: dict[str, str]
) -> None:
    landed, orders = replace(manifest(), landed_at=NOW + timedelta(hours=1)), file("orders.csv")
    known = knowing(batch(landed, status), claimed={"shop-15": claimed}, hashes={orders: "b"})
    decided = plan(Landing((landed,), (orders,)), known, WAIT, NOW + timedelta(hours=2))
    assert (only(decided).batch_id, only(decided).status) == (landed.sha256, S.FAILED)
    assert "other content of orders.csv" in (only(decided).reason or "")
    assert (decided.tidy_manifests, decided.tidy_files) == ((), {})


def test_the_same_manifest_dropped_again_with_another_file_opens_a_rejected_batch_again() -> None:
    landed, orders = replace(manifest(), landed_at=NOW + timedelta(hours=1)), file("orders.csv")
    known = knowing(
        batch(landed, S.REJECTED, actor="ana"), claimed={"shop-15": {"orders.csv": "a"}}, hashes={orders: "b"}
    )
    decided = plan(Landing((landed,), (orders,)), known, WAIT, NOW + timedelta(hours=2))
    assert (only(decided).batch_id, only(decided).status, only(decided).actor) == ("shop-15", S.READY, None)
    assert decided.tidy_manifests == ()


@pytest.mark.parametrize("status", [S.PUBLISHED, S.HELD, S.REJECTED])
def test_a_manifest_left_over_from_before_the_decision_does_not_claim_the_next_days_file(status: BatchStatus) -> None:
    landed, orders = manifest(), file("orders.csv")
    known = knowing(batch(landed, status), claimed={"shop-15": {"orders.csv": "a"}}, hashes={orders: "b"})
    decided = plan(Landing((landed,), (orders,)), known, WAIT, NOW)
    assert (decided.batches, decided.tidy_manifests, decided.tidy_files) == ((), (landed,), {})


def test_a_repeated_manifest_leaves_a_file_that_a_newer_batch_names_to_that_batch() -> None:
    again, orders = replace(manifest(), landed_at=NOW + timedelta(hours=1)), file("orders.csv")
    known = knowing(batch(again, S.PUBLISHED), claimed={"shop-15": {"orders.csv": "a"}}, hashes={orders: "a"})
    decided = plan(Landing((again, manifest(batch_id="shop-16", name="t16.json")), (orders,)), known, WAIT, NOW)
    assert (only(decided).batch_id, only(decided).status) == ("shop-16", S.READY)
    assert (decided.tidy_manifests, decided.tidy_files) == ((again,), {})


# refused manifests


def test_a_broken_manifest_is_a_failed_row_under_its_content_recorded_once_and_stays() -> None:
    broken, good = manifest("../orders.csv", name="broken.json"), manifest()
    decided = plan(Landing((broken, good), (file("orders.csv"),)), Known(), WAIT, NOW)
    refused, followed = decided.batches
    assert (refused.batch_id, refused.status, refused.batch_date) == (broken.sha256, S.FAILED, None)
    assert "broken.json" in (refused.reason or "")
    assert "path" in (refused.reason or "")
    assert (followed.batch_id, followed.status) == ("shop-15", S.READY)
    assert decided.tidy_manifests == ()
    again = plan(
        Landing((broken,), (file("orders.csv"),)), Known().after(decided.batches), WAIT, NOW + timedelta(days=9)
    )
    assert again == Plan()
    assert decided.notices == (f"broken.json is refused: {refused.reason}",)


def test_a_refused_manifest_that_was_taken_away_asks_for_nothing_until_it_lies_there_again() -> None:
    broken = manifest("../orders.csv", name="broken.json")
    known = Known().after(plan(Landing((broken,)), Known(), WAIT, NOW).batches)
    gone = only(plan(Landing(), known, WAIT, NOW))
    assert (gone.batch_id, gone.status) == (broken.sha256, S.REJECTED)
    known = known.after([gone])
    assert plan(Landing(), known, WAIT, NOW) == Plan()
    assert only(plan(Landing((broken,)), known, WAIT, NOW)).status is S.FAILED
    decided = known.after([replace(gone, actor="ana")])
    assert plan(Landing((broken,)), decided, WAIT, NOW) == Plan(), "somebody rejected it as it lies there"


# corrections


def test_a_failed_batch_becomes_ready_when_a_corrected_file_of_the_rejected_name_lands() -> None:
    orders = file("orders.csv")
    failed = batch(manifest("orders.csv products.csv"), S.FAILED, waiting_for=("orders.csv",), reason="wrong header")
    failed = replace(failed, run_id="r1", verdict="FAIL", gate="hold")
    claimed = {"shop-15": {"orders.csv": "bad", "products.csv": "p"}}
    row = only(plan(Landing(files=(orders,)), knowing(failed, claimed=claimed, hashes={orders: "good"}), WAIT, NOW))
    assert (row.status, row.reason, row.waiting_for) == (S.READY, None, ())
    assert (row.run_id, row.verdict, row.gate) == (None, None, None)


def test_a_batch_with_two_rejected_files_waits_for_both_corrections() -> None:
    orders, products = file("orders.csv"), file("products.csv", "products_data")
    names = ("orders.csv", "products.csv")
    failed = batch(manifest(" ".join(names)), S.FAILED, waiting_for=names, reason="wrong headers")
    known = knowing(failed, claimed={"shop-15": dict.fromkeys(names, "bad")}, hashes={orders: "good", products: "good"})
    assert plan(Landing(files=(orders,)), known, WAIT, NOW) == Plan()
    assert only(plan(Landing(files=(orders, products)), known, WAIT, NOW)).status is S.READY


@pytest.mark.parametrize("hashes", [{file("orders.csv"): "bad"}, {}])
def test_the_rejected_file_itself_lying_there_still_changes_nothing(hashes: dict[LandedFile, str]) -> None:
    failed = batch(manifest(), S.FAILED, waiting_for=("orders.csv",), reason="wrong header")
    known = knowing(failed, claimed={"shop-15": {"orders.csv": "bad"}}, hashes=hashes)
    assert plan(Landing((manifest(),), (file("orders.csv"),)), known, WAIT, NOW) == Plan()


def test_a_corrected_file_of_another_name_does_not_wake_a_failed_batch() -> None:
    products = file("products.csv")
    failed = batch(manifest("orders.csv products.csv"), S.FAILED, waiting_for=("orders.csv",), reason="wrong header")
    claimed = {"shop-15": {"orders.csv": "bad", "products.csv": "p"}}
    assert (
        plan(Landing(files=(products,)), knowing(failed, claimed=claimed, hashes={products: "q"}), WAIT, NOW) == Plan()
    )


def test_a_failed_batch_that_names_no_file_wakes_with_new_content_of_any_file_it_claimed() -> None:
    orders, products = file("orders.csv"), file("products.csv")
    failed = batch(manifest("orders.csv products.csv"), S.FAILED)
    known = knowing(failed, claimed={"shop-15": {"orders.csv": "a"}}, hashes={orders: "b"})
    assert plan(Landing(files=(products,)), known, WAIT, NOW) == Plan()
    assert only(plan(Landing(files=(orders, products)), known, WAIT, NOW)).status is S.READY


def test_a_batch_that_somebody_let_through_or_restaged_stays_ready() -> None:
    known = knowing(batch(manifest(), S.READY, is_released=True), batch(manifest(batch_id="b"), S.READY, restage=True))
    assert plan(Landing(), known, WAIT, NOW) == Plan()


# whose file is it


def test_of_several_open_batches_that_name_a_file_it_belongs_to_the_newest_manifest() -> None:
    older = manifest(batch_id="older", name="z.json", trigger_timestamp="2025-01-15T10:00:00Z", batch_date="2025-01-17")
    newer = manifest(batch_id="newer", name="a.json", trigger_timestamp="2025-01-15T11:00:00Z")
    rows = {
        row.batch_id: row for row in plan(Landing((older, newer), (file("orders.csv"),)), Known(), WAIT, NOW).batches
    }
    assert (rows["newer"].status, rows["older"].status) == (S.READY, S.WAITING)
    assert rows["older"].reason == "waiting for orders.csv (landed for batch newer)"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"trigger_timestamp": "2025-01-01T00:00:00Z", "name": "a"}, {"batch_date": "2025-02-01", "name": "z"}),
        ({"batch_date": "2025-01-16", "name": "a"}, {"batch_date": "2025-01-15", "name": "z"}),
        ({"name": "b"}, {"name": "a"}),
    ],
)
def test_manifests_are_ordered_by_trigger_time_then_date_then_name(first: dict[str, str], then: dict[str, str]) -> None:
    landed = [manifest(batch_id="first", **first), manifest(batch_id="then", **then)]
    known = knowing(*(batch(each, S.WAITING) for each in landed))
    assert owners([file("orders.csv")], known) == {file("orders.csv"): "first"}


def test_a_running_batch_keeps_what_it_has_not_claimed_yet_and_leaves_other_content_to_the_next() -> None:
    orders, later = file("orders.csv"), manifest(batch_id="later", trigger_timestamp="2025-01-15T11:00:00Z")
    rows = (batch(manifest(), S.RUNNING), batch(later, S.WAITING))
    assert owners([orders], knowing(*rows)) == {orders: "shop-15"}
    claimed = {"shop-15": {"orders.csv": "a"}}
    assert owners([orders], knowing(*rows, claimed=claimed, hashes={orders: "a"})) == {orders: "shop-15"}
    assert owners([orders], knowing(*rows, claimed=claimed, hashes={orders: "b"})) == {orders: "later"}


def test_settled_batches_and_mere_announcements_own_no_file() -> None:
    rows = [batch(manifest(batch_id=status), status) for status in (S.PUBLISHED, S.HELD, S.REJECTED)]
    early = batch(manifest(batch_id="early", data_files_ready=False), S.WAITING)
    assert owners([file("orders.csv")], knowing(*rows, early)) == {}


def test_a_batch_may_claim_its_own_files_by_their_names_in_the_manifest() -> None:
    running = batch(manifest("orders.csv products.csv customers.csv"), S.RUNNING)
    products = [file("products.csv"), file("products.csv", "products_data")]
    newer = batch(manifest("customers.csv", batch_id="b", trigger_timestamp="2025-01-15T11:00:00Z"), S.RUNNING)
    files = [file("ORDERS.csv"), *products, file("customers.csv")]
    assert files_to_claim(running, files, knowing(running, newer)) == {"orders.csv": files[0]}


def test_only_files_whose_content_decides_something_are_hashed() -> None:
    published, waiting = manifest("a.csv", "published"), manifest("w.csv", "waiting")
    rows = [
        batch(published, S.PUBLISHED),
        batch(manifest("b.csv", "gone"), S.PUBLISHED),
        batch(manifest("f.csv x.csv", "failed"), S.FAILED),
        batch(manifest("r.csv", "running"), S.RUNNING),
        batch(waiting, S.WAITING),
    ]
    claimed = {row.batch_id: {row.files[0].name: "old"} for row in rows if row.batch_id != "waiting"}
    seen = Landing((published, waiting), tuple(file(f"{letter}.csv") for letter in "abfrwxz"))
    assert [found.name for found in files_to_hash(seen, knowing(*rows, claimed=claimed))] == ["a.csv", "f.csv", "r.csv"]


def test_landed_files_that_no_open_batch_names_are_unannounced() -> None:
    rows = [batch(manifest("a.csv", "a"), S.WAITING), batch(manifest("b.csv", "b"), S.PUBLISHED)]
    files = [file("A.csv"), file("b.csv"), file("c.csv")]
    assert unannounced(Landing(files=tuple(files)), knowing(*rows)) == tuple(files[1:])


def test_a_manifest_that_lies_there_names_its_files_before_a_run_has_looked_at_it() -> None:
    landed, files = manifest("a.csv"), (file("a.csv"), file("b.csv"))
    seen = Landing((landed,), files)
    assert (unread(seen, Known()), unannounced(seen, Known())) == ((landed.content,), files[1:])
    followed = knowing(batch(landed, S.PUBLISHED))
    assert (unread(seen, followed), unannounced(seen, followed)) == ((), files)
    refused = knowing(*plan(seen, knowing(batch(manifest("c.csv"), S.HELD)), WAIT, NOW).batches)
    assert (unread(seen, refused), unannounced(seen, refused)) == ((), files)


def test_files_of_one_name_are_told_with_their_places() -> None:
    files = [file("export.csv"), file("Export.csv", "customer_data"), file("orders.csv")]
    [told] = namesakes(files)
    assert told.startswith("orders_data/source/export.csv, customer_data/source/Export.csv have one name")


# without manifests

QUIET = timedelta(seconds=30)
PATTERNS = {"orders_data": "orders_{date}.csv"}


def test_files_that_have_been_still_form_a_ready_batch_of_the_date_in_their_names() -> None:
    files = (file("orders_2025-01-14.csv"), file("customers.csv", "customer_data"))
    (row,) = quiet_batches(Landing(files=files), Known(), PATTERNS, QUIET, NOW)
    assert (row.batch_id, row.batch_date, row.status) == ("2025-01-14-1", date(2025, 1, 14), S.READY)
    assert [named.name for named in row.files] == ["orders_2025-01-14.csv", "customers.csv"]
    assert quiet_batches(Landing(files=files), knowing(row), PATTERNS, QUIET, NOW) == ()
    assert plan(Landing(files=files), knowing(row), WAIT, NOW) == Plan()


def test_a_delivery_is_not_split_while_one_of_its_files_still_grows() -> None:
    growing = file("orders_2025-01-14.csv", changed_at=NOW - timedelta(seconds=29))
    seen = Landing(files=(growing, file("customers.csv", "customer_data")))
    assert quiet_batches(seen, Known(), PATTERNS, QUIET, NOW) == ()
    assert len(quiet_batches(seen, Known(), PATTERNS, QUIET, NOW + timedelta(seconds=1))) == 1


def test_a_quiet_batch_takes_a_new_id_and_leaves_announced_files_alone() -> None:
    known = knowing(batch(manifest("orders_2025-01-14.csv", "2025-01-15-1"), S.WAITING))
    seen = Landing((manifest("x.csv", "2025-01-15-2"),), (file("orders_2025-01-14.csv"), file("orders_2025-01-15.csv")))
    (row,) = quiet_batches(seen, known, PATTERNS, QUIET, NOW)
    assert (row.batch_id, [named.name for named in row.files]) == ("2025-01-15-3", ["orders_2025-01-15.csv"])


# whatever happened before

contents = st.sampled_from(["a", "b"])
names = st.sampled_from(["orders.csv", "products.csv", "Orders.csv"])


@st.composite
def manifests(draw: st.DrawFn) -> LandedManifest:
    files = " ".join(draw(st.lists(names.filter(str.islower), min_size=1, max_size=2, unique=True)))
    keys: dict[str, object] = {"data_files_ready": draw(st.sampled_from([True, True, True, False]))}
    if draw(st.booleans()):
        keys["trigger_timestamp"] = draw(st.sampled_from(["2025-01-15T10:00:00Z", "2025-01-15T11:00:00Z"]))
    if draw(st.integers(0, 9)) == 0:
        keys["batch_date"] = "soon"
    name = draw(st.sampled_from(["a.json", "b.json", "c.json"]))
    made = manifest(files, draw(st.sampled_from(["one", "two", None])), name, **keys)
    return replace(made, landed_at=draw(st.sampled_from([EARLIER, NOW + timedelta(hours=1)])))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Landing, Known]:
    files = draw(st.lists(st.builds(file, names, st.sampled_from(["orders_data", "products_data"])), unique=True))
    landed = draw(st.lists(manifests(), max_size=4, unique_by=lambda each: each.name))
    before = [each for each in (*landed, draw(manifests()), draw(manifests())) if isinstance(each.content, Manifest)]
    rows = [
        batch(each, draw(st.sampled_from(list(BatchStatus))), is_released=draw(st.booleans()))
        for each in draw(st.lists(st.sampled_from(before), max_size=3))
    ] if before else []  # fmt: skip
    claimed = {row.batch_id: draw(st.dictionaries(names, contents, max_size=2)) for row in rows}
    hashes = {each: draw(contents) for each in files}
    return Landing(tuple(landed), tuple(files)), knowing(*rows, claimed=claimed, hashes=hashes)


policies = st.builds(Policy, st.none() | st.sampled_from([0, 60]), st.sampled_from(["wait", "fail", "partial"]))


@given(situations(), policies, st.booleans())
def test_planning_again_after_the_plan_was_done_changes_nothing(
    situation: tuple[Landing, Known], policy: Policy, is_tidied: bool
) -> None:
    seen, known = situation
    decided = plan(seen, known, policy, NOW)
    if is_tidied:
        manifests = tuple(each for each in seen.manifests if each not in decided.tidy_manifests)
        seen = Landing(manifests, tuple(each for each in seen.files if each not in decided.tidy_files))
    again = plan(seen, known.after(decided.batches), policy, NOW)
    assert again.batches == ()
    assert is_tidied <= (again.tidy_manifests == ())


@given(situations(), policies)
def test_no_two_batches_stand_on_the_same_landed_file(situation: tuple[Landing, Known], policy: Policy) -> None:
    seen, known = situation
    after = known.after(plan(seen, known, policy, NOW).batches)
    ready = [row for row in after.batches.values() if row.status in {S.READY, S.RUNNING}]
    claims = [found for row in ready for found in files_to_claim(row, seen.files, after).values()]
    assert max(Counter(claims).values(), default=0) <= 1
    for row in ready:
        if row.status is S.READY and not row.is_decided:
            own = files_to_claim(row, seen.files, after)
            there = {
                named.name for named in row.files if named.name in own or named.key in after.claimed_by(row.batch_id)
            }
            assert there | set(row.waiting_for) == {named.name for named in row.files}


@given(situations(), policies)
def test_settled_and_running_batches_are_only_changed_by_reopening_a_rejected_one(
    situation: tuple[Landing, Known], policy: Policy
) -> None:
    seen, known = situation
    for row in plan(seen, known, policy, NOW).batches:
        before = known.batches.get(row.batch_id)
        assert before is None or before.status not in {S.PUBLISHED, S.HELD, S.RUNNING}
        assert row.status in {S.WAITING, S.READY, S.FAILED}
