"""A real cluster: a standalone master, two workers, and a Connect server, each a process of its own on loopback.

PySpark brings all of it. The workers' Python sees no cartlake but the one that the client sends them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cartlake.errors import ConfigError
from cartlake.lake import Lake
from cartlake.settings import load_settings
from tests.conftest import ROOT
from tests.parity.test_parity import both_equal
from tests.pipeline.shop import Shop

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.posix, pytest.mark.timeout(1800)]

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_PATIENCE = 240


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(is_there: Callable[[], object], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_there():
        assert time.monotonic() < until, f"no {what} after {_PATIENCE} seconds"
        time.sleep(0.5)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def workers(port: int) -> int:
    """How many the master knows; 0 while its page is not complete."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/json/") as page:
        return int(json.load(page)["aliveworkers"])
    return 0


class Cluster:
    """The processes, their log files below `folder`, and where to find them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._master, self._page, self._server = free_port(), free_port(), free_port()
        self.remote = f"sc://127.0.0.1:{self._server}"

    def start(self) -> None:
        import pyspark

        home = Path(pyspark.__file__).parent
        spark = [str(home / "bin" / "spark-class")]
        address = ["--host", "127.0.0.1"]
        pages = ["--webui-port", str(self._page)]
        self._run("master", [*spark, _MASTER, *address, "--port", str(self._master), *pages])
        wait_for(lambda: answers(self._page), "master")
        url = f"spark://127.0.0.1:{self._master}"
        for name in ("worker-1", "worker-2"):
            mine = ["--cores", "1", "--memory", "1g", "--work-dir", str(self._folder / name)]
            self._run(name, [*spark, _WORKER, *address, *mine, "--webui-port", str(free_port()), url])
        wait_for(lambda: workers(self._page) == 2, "second worker")
        server = [str(home / "bin" / "spark-submit"), "--class", _SERVER, *self._server_options(url)]
        self._run("server", server, PYSPARK_PYTHON=str(self._bare_python()))
        wait_for(lambda: answers(self._server), "Connect server")

    def _server_options(self, url: str) -> list[str]:
        from cartlake.engines.spark.session import LOCAL
        from cartlake.engines.spark.setup import jars

        conf = LOCAL | {
            "spark.connect.grpc.binding.port": str(self._server),
            "spark.driver.host": "127.0.0.1",
            "spark.executor.cores": "1",
            "spark.executor.memory": "768m",
            "spark.sql.shuffle.partitions": "2",
            "spark.databricks.delta.snapshotPartitions": "2",
        }
        options = [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
        return ["--master", url, "--jars", ",".join(map(str, jars())), *options, "spark-internal"]

    def _bare_python(self) -> Path:
        """A Python with PyArrow and what PySpark needs, and without cartlake."""
        folder = self._folder / "site"
        folder.mkdir()
        for name in ("pyarrow", "pandas", "numpy", "numpy.libs", "pyspark", "py4j", "dateutil", "pytz", "six.py"):
            found = find_spec(name.removesuffix(".py").removesuffix(".libs"))
            if found is not None and found.origin is not None:
                origin = Path(found.origin)
                place = origin if name.endswith(".py") else origin.parent
                target = place.with_name(name) if name.endswith(".libs") else place
                if target.exists():
                    (folder / target.name).symlink_to(target)
        python = self._folder / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec {sys.base_prefix}/bin/python3 -s "$@"\n')
        python.chmod(0o755)
        return python

    def _run(self, name: str, command: list[str], **more: str) -> None:
        given = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1", "SPARK_LOG_DIR": str(self._folder)}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_", "PYTHONPATH"))}
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment | given | more, stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed (make spark-setup)")
    from cartlake.engines.spark.setup import find_java, jars

    try:
        find_java()
        jars()
    except ConfigError as error:
        pytest.skip(f"Spark cannot start: {error.message}")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", raising=False)
        made = Cluster(tmp_path_factory.mktemp("cluster"), stack)
        made.start()
        yield made


def on_cluster(shop: Shop, cluster: Cluster) -> None:
    shop.lake.close()
    engine = {"name": "spark", "remote": cluster.remote}
    shop.lake = Lake(settings=load_settings(shop.project, {}, {"engine": engine}))


@pytest.fixture
def two_days() -> list[Path]:
    """The sample batches where they stand beside this checkout, else those of the example shop."""
    sample = ROOT.parent / "shared" / "data" / "sample"
    return sorted((sample if sample.is_dir() else ROOT / "examples" / "shop").glob("20*"))


def test_two_batches_on_two_workers(tmp_path: Path, cluster: Cluster, two_days: list[Path]) -> None:
    shops = Shop(tmp_path / "cluster"), Shop(tmp_path / "embedded")
    on_cluster(shops[0], cluster)
    for shop in shops:
        for day in two_days:
            shutil.copytree(day, shop.landing, dirs_exist_ok=True)
        assert {report.batch.status for report in shop.run().batches} == {"published"}
    both_equal(*shops)


def test_the_workers_have_the_cartlake_of_the_client(cluster: Cluster) -> None:
    """Both of them; the package is nowhere else on their path."""
    from cartlake.engines.spark.session import opened
    from cartlake.settings import EngineSettings

    def where(batches: Any) -> Any:
        import time
        from pathlib import Path

        import pyarrow as pa

        from cartlake.engines.spark import reader

        for _ in batches:
            time.sleep(1)
            found = [{"file": reader.__file__, "folder": str(Path.cwd())}]
            yield pa.RecordBatch.from_pylist(found)

    session = opened(EngineSettings(name="spark", remote=cluster.remote))
    numbers = session.session.range(0, 8, 1, 8)
    rows = numbers.mapInArrow(where, "file string, folder string").toArrow().to_pylist()
    session.close()
    assert len({row["folder"] for row in rows}) == 2, "both workers did a part"
    assert all(".zip/cartlake/engines/spark/reader.py" in row["file"] for row in rows)
