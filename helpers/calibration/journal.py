"""What is done: the file of finished replications, and the tidy table of them."""

import json
import sys
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from helpers.calibration.job import AGAIN, Job

RANKED = ("truth", "rank", "mean", "sd", "ess", "r_hat")  # a number for every parameter
SCHEMA = {
    "replication": pl.Int64,
    "status": pl.String,
    "seconds": pl.Float64,
    "divergences": pl.Int64,
    **{name: pl.List(pl.Int64 if name == "rank" else pl.Float64) for name in RANKED},
}
COLUMNS = [
    *("replication", "parameter", "truth", "rank", "draws", "mean", "sd", "z_score", "shrinkage"),
    *("ess", "r_hat", "divergences", "seconds", "status"),
]


class Journal:
    """The file of finished replications, a line each; held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, FileLock(path.with_suffix(".lock"))

    def __enter__(self) -> "Journal":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.lock.acquire(timeout=0)
            except Timeout:  # a lesson that is open twice, say: what the other computes is ours, too
                print("another process is at this table: waiting for it (Ctrl-C stops that)", file=sys.stderr)
                self.lock.acquire()
            with self.path.open("a+b") as file:
                file.seek(0)
                # a process that was killed, or a full disk, may have left half a line
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            self.lock.release()
            folder = self.path.parent
            raise OSError(f"cannot write to {folder} ({error.strerror}): give another folder") from None
        return self

    def __exit__(self, *_) -> None:
        self.lock.release()

    def clear(self) -> None:
        """Forget what was done."""
        self.path.unlink(missing_ok=True)

    def add(self, record: dict) -> None:
        """Write a line, whole before the next is begun."""
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise OSError(f"cannot write to {self.path} ({error.strerror}): mend it, and {AGAIN}") from None

    def read(self, n: int) -> pl.DataFrame:
        """Read the first `n` replications as far as they are finished; of one tried again, the last try."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return pl.DataFrame(schema=SCHEMA)
        frame = pl.scan_ndjson(self.path.read_bytes(), schema=SCHEMA).filter(pl.col("replication") < n)
        return frame.unique("replication", keep="last").sort("replication").collect()

    def finished(self) -> set[int]:
        """Give the numbers of the replications that need not be run again."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return set()
        frame = pl.scan_ndjson(self.path.read_bytes(), schema=SCHEMA).select("replication", "status")
        return set(frame.filter(status="ok").collect()["replication"])


def tidy(records: pl.DataFrame | list[dict], job: Job) -> pl.DataFrame:
    """Make the tidy table, a row per replication and parameter."""
    frame = pl.DataFrame(records, schema=SCHEMA) if isinstance(records, list) else records
    prior_sd = pl.col("truth").std().over("parameter")
    return (
        frame.with_columns(parameter=pl.lit(job.parameters))
        .explode("parameter", *RANKED)
        .with_columns(
            draws=pl.lit(job.draws, dtype=pl.Int64),
            z_score=(pl.col("mean") - pl.col("truth")) / pl.col("sd"),
            shrinkage=1 - (pl.col("sd") / prior_sd) ** 2,
        )
        .select(COLUMNS)
    )


def failed(job: Job, i: int, status: str, truth: list | None = None) -> dict:
    """Make the record of a replication that gave no draws: `status` says why."""
    unknown = [None] * len(job.parameters)
    row = {"replication": i, "status": status, "seconds": None, "divergences": None}
    return row | {name: unknown for name in RANKED} | {"truth": truth or unknown}
