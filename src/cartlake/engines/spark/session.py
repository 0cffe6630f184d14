"""The Spark session: one that is given, one of a Spark Connect server, or a local one with Delta Lake."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zipfile import ZipFile

from cartlake.engines.spark.errors import FOREIGN, mapped
from cartlake.engines.spark.setup import find_java, jars
from cartlake.errors import EngineError
from cartlake.settings import EngineSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ON_DATABRICKS = "DATABRICKS_RUNTIME_VERSION"
"""The environment variable that clusters and serverless compute set."""

# What SQL means must not depend on whose session it is.
MEANING = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
# Without effect on results: planning a window over the cells of a wide table takes half a minute otherwise, because
# Spark derives constraints for every combination of a column's names. Not every server lets us.
PLANNING = {"spark.sql.constraintPropagation.enabled": "false"}
_LOGGING = Path(__file__).with_name("log4j2.properties").as_uri()
# What Spark generates for a wide table is one method too large for the JVM to compile, unless it is told to.
_JAVA = f"-XX:+UseSerialGC -XX:-DontCompileHugeMethods -Duser.timezone=UTC -Dlog4j2.configurationFile={_LOGGING}"
# Spark's defaults are tuned for clusters: on one machine and with small tables they make every step three times as
# long, and in 1 GB, the default, more time goes into collecting garbage. Of generated code Spark remembers 100 classes,
# fewer than a run has: most were compiled again, by Spark and then by the JVM.
LOCAL = {
    "spark.databricks.delta.allFilesInCrc.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.driver.extraJavaOptions": _JAVA,
    "spark.driver.memory": "2g",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.codegen.cache.maxEntries": "10000",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_IS_CLIENT = "SPARK_CONNECT_MODE_ENABLED"
_IS_LOCAL = "SPARK_LOCAL_REMOTE"  # by this a session's `stop` knows that the server is its own
_SERVER_PORT = "spark.connect.grpc.binding.port"
_PORT = 15_002  # where a remote names none
_PATIENCE = 10.0  # seconds
_served: list[SparkSession] = []  # the sessions of this process on a server of its own
CONNECT = {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "true",
    "spark.sql.artifact.isolation.enabled": "true",
}


@dataclass(frozen=True)
class Opened:
    """A session ready for use; `close` gives it back as it was."""

    session: SparkSession
    close: Callable[[], None]


def opened(settings: EngineSettings, given: SparkSession | None = None) -> Opened:
    """The session that is `given`, that of the Connect server in the settings, the one that Databricks has for every
    program that runs there, or a local one."""
    if given is None and not settings.remote and ON_DATABRICKS in os.environ:
        given = _running()
    if given is not None:
        return Opened(given, _lend(given))
    if settings.remote:
        _require_listening(settings.remote)
        session = _connect(settings.remote)
        _ship(session)
    else:
        session = local_session(settings)
    with mapped("start Spark"):
        _set(session)
    return Opened(session, partial(_stop, session))


def _running() -> SparkSession:
    from pyspark.sql import SparkSession as Running

    with mapped("find the Spark session"):
        session: SparkSession = Running.builder.getOrCreate()
    return session


def _require_listening(remote: str) -> None:
    """Raises EngineError where nobody listens: the client would try again for ten minutes, and say nothing."""
    try:
        place = urlsplit(remote)
        socket.create_connection((place.hostname or "", place.port or _PORT), _PATIENCE).close()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or "no answer"
        hint = "Start the Connect server, or name another one in `remote` below `[engine]`."
        raise EngineError("spark_unreachable", f"nobody answers at {_shown(remote)}: {said}", hint=hint) from None


def _shown(remote: str) -> str:
    """Without its parameters: a token may be among them."""
    return remote.split(";", maxsplit=1)[0]


def _ship(session: SparkSession) -> None:
    """The workers have this very cartlake, whatever is installed there."""
    package = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, f"cartlake-{package.stat().st_mtime_ns:x}.zip")
        with ZipFile(archive, "w") as file:
            for path in sorted(package.rglob("*.py")):
                file.write(path, path.relative_to(package.parent))
        with mapped("send cartlake to the workers"):
            session.addArtifacts(str(archive), pyfile=True)


def _lend(session: SparkSession) -> Callable[[], None]:
    """Sets what our SQL needs; the result restores what its owner had."""
    with mapped("use the Spark session"):
        before = {name: session.conf.get(name) or "" for name in (*MEANING, *PLANNING)}
        _set(session)

    def restore() -> None:
        for name, value in before.items():
            with suppress(*FOREIGN):
                session.conf.set(name, value)

    return restore


def _stop(session: SparkSession) -> None:
    """With its server, if that is a local one and no other lake of this process has a session there."""
    if session in _served:
        _served.remove(session)
    if _served:
        os.environ.pop(_IS_LOCAL, None)
    session.stop()
    if _served:
        os.environ[_IS_LOCAL] = "1"


def _set(session: SparkSession) -> None:
    for name, value in MEANING.items():
        session.conf.set(name, value)
    for name, value in PLANNING.items():
        with suppress(*FOREIGN):
            session.conf.set(name, value)


def local_session(settings: EngineSettings, more: Mapping[str, str] | None = None) -> SparkSession:
    """A session on this machine, by way of a Spark Connect server of its own, so that nothing that Databricks lacks
    can be used by mistake. Raises ConfigError if Java or the JARs of Delta Lake are not there."""
    cores = settings.threads or os.cpu_count() or 1
    find_java()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    conf = {
        **LOCAL,
        **CONNECT,
        **MEANING,
        **PLANNING,
        _SERVER_PORT: str(port),
        "spark.driver.extraClassPath": os.pathsep.join(map(str, jars())),
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(cores),  # else VACUUM starts 10,000 tasks
        **(more or {}),
    }
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the default `python3` may be another one
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_CONNECT_AUTHENTICATE_TOKEN", secrets.token_hex(16))
    with mapped("start Spark"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _serve(cores, conf)


def _serve(cores: int, conf: Mapping[str, str]) -> SparkSession:
    """`builder.remote("local")` in two steps: in one, it can only listen on the port that everybody else's does."""
    from pyspark.sql import SparkSession as Classic

    os.environ.pop(_IS_CLIENT, None)  # inherited from a client of Connect, it would keep a server from starting
    builder = Classic.builder.master(f"local[{cores}]")
    for name, value in conf.items():
        builder = builder.config(name, value)
    port = builder.getOrCreate().sparkContext.getConf().get(_SERVER_PORT)  # of another lake, if there is one
    if port is None:
        hint = "Give it to cartlake: `Lake(project, spark=session)`."
        raise EngineError("spark_in_use", "this process has a Spark session of its own, without Connect", hint=hint)
    os.environ[_IS_LOCAL] = "1"
    session = _connect(f"sc://localhost:{port}")
    _served.append(session)
    return session


def _connect(remote: str) -> SparkSession:
    from pyspark.sql.connect.session import SparkSession as Remote

    os.environ[_IS_CLIENT] = "1"
    with mapped(f"connect to {_shown(remote)}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session: SparkSession = Remote.builder.remote(remote).create()
    return session
