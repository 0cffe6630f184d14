"""The JARs of Delta Lake for local Spark: `python -m cartlake.engines.spark.setup` fetches them once from Maven Central
into a cache of the user, by way of Spark's own resolver. Nothing else here asks the network."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cartlake import usercache
from cartlake.errors import ConfigError, EngineError


@dataclass(frozen=True)
class _Release:
    """A release of Delta Lake: the name of its module for Spark, and what its JARs hash to."""

    delta: str
    module: str
    spark_sha256: str
    storage_sha256: str

    @property
    def jars(self) -> dict[str, str]:
        """Name and SHA-256. All else that they depend on comes with Spark, in the versions that Spark wants."""
        return {
            f"io.delta_{self.module}-{self.delta}.jar": self.spark_sha256,
            f"io.delta_delta-storage-{self.delta}.jar": self.storage_sha256,
        }


# By the release of Spark; that of 4.0 is what Databricks runtimes 17 and serverless environment 4 have.
_RELEASES = {
    "4.0": _Release(
        "4.0.1",
        "delta-spark_2.13",
        "a1e76860b19fe1e6b205a4ea7a9099a2f9575d39bb71d49b3e679b299d0efb91",
        "ecc42c5aaa51c423312d9e4e48aa4a12b34740bf2c37de0e8f279277ec3d12e4",
    ),
    "4.2": _Release(
        "4.4.0",
        "delta-spark_4.2_2.13",
        "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
    ),
}
_EXCLUDED = "com.*:*,commons-*:*,io.airlift:*,io.unitycatalog:*,javax.*:*,org.*:*"
_RESOLVE = "from pyspark.sql import SparkSession; SparkSession.builder.master('local[1]').getOrCreate().stop()"
COMMAND = "python -m cartlake.engines.spark.setup"


def cache_folder() -> Path:
    """Where the JARs are: CARTLAKE_SPARK_JARS, else below the user's cache."""
    given = os.environ.get("CARTLAKE_SPARK_JARS")
    if given:
        return Path(given)
    return usercache.folder() / f"delta-{_release().delta}"


def jars() -> list[Path]:
    """The JARs that stand in the cache. Raises ConfigError if one is missing."""
    paths = [cache_folder() / name for name in _release().jars]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ConfigError(
            "spark_not_set_up",
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in {cache_folder()}",
            hint=f"Fetch them once: {COMMAND} (in a checkout: make spark-setup).",
        )
    return paths


def find_java() -> None:
    """Raises ConfigError if there is no Java."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (home and shutil.which("java", path=str(Path(home) / "bin"))):
        raise ConfigError("java_missing", "Spark needs Java, and there is none", hint="Install Java 17 or later.")


def fetch() -> list[Path]:
    """The JARs stand in the cache, with the content they are known to have."""
    try:
        return jars()
    except ConfigError:
        with tempfile.TemporaryDirectory() as made:
            _resolve(_release(), Path(made))
            return jars()


def _release() -> _Release:
    """The one for the PySpark that is installed. Raises ConfigError if none is known."""
    from pyspark import __version__ as spark

    release = _RELEASES.get(".".join(spark.split(".")[:2]))
    if release is None:
        known = " and ".join(_RELEASES)
        raise ConfigError(
            "spark_unknown",
            f"PySpark {spark} is installed; local Spark works with those of {known}",
            hint='Install one that works: pip install "cartlake[spark]".',
        )
    return release


def _resolve(release: _Release, folder: Path) -> None:
    package = f"io.delta:{release.module}:{release.delta}"
    conf = {"spark.jars.packages": package, "spark.jars.excludes": _EXCLUDED, "spark.jars.ivy": str(folder)}
    arguments = " ".join(f"--conf {name}={value}" for name, value in conf.items())
    said = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _RESOLVE],
        env={**os.environ, "PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell", "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    cache_folder().mkdir(parents=True, exist_ok=True)
    for name, sha256 in release.jars.items():
        found = folder / "jars" / name
        if not found.is_file():
            last = (said.stderr.strip().splitlines() or ["Spark said nothing"])[-1][:300]
            raise EngineError("spark_setup_failed", f"{name} could not be fetched: {last}", hint="Is there a network?")
        if hashlib.sha256(found.read_bytes()).hexdigest() != sha256:
            raise EngineError("spark_setup_failed", f"{name} is not the file it should be", hint="Look at its source.")
        shutil.copyfile(found, cache_folder() / f"{name}.part")
        (cache_folder() / f"{name}.part").replace(cache_folder() / name)


if __name__ == "__main__":
    for path in fetch():
        sys.stdout.write(f"{path}\n")
