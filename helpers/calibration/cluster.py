"""Where it runs: processes of this machine, replications on their way to workers, and Ctrl-C."""

import contextlib
import itertools
import logging
import math
import signal
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from helpers.calibration.job import AGAIN, Job, in_a_line
from helpers.calibration.journal import failed
from helpers.calibration.worker import replicate

if TYPE_CHECKING:
    import distributed

GUARD = 'In a script, call calibrate below `if __name__ == "__main__":`.'
LOST = f"lost the scheduler: start it again, and {AGAIN}"


class Interrupts:
    """Ctrl-C, put off to where it does no harm: while waiting for a result."""

    def __init__(self) -> None:
        self.asked = self.waiting = False

    def __enter__(self) -> "Interrupts":
        main = threading.current_thread() is threading.main_thread()
        self.ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, *_) -> None:
        self.asked = True
        if self.waiting:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let an interruption that was asked for happen here."""
        self.waiting = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self.waiting = False


@contextlib.contextmanager
def local_client(most: int) -> "Iterator[distributed.Client]":
    """Start a process for each core of this machine; their certificate is made for them alone.

    A process takes seconds to start, and 0.4 GB: with fewer than ten replications it would not pay.
    """
    import dask.system
    import distributed
    import psutil

    with contextlib.ExitStack() as stack:
        with deaf_children():
            try:
                cluster = distributed.LocalCluster(
                    n_workers=min(dask.system.CPU_COUNT, math.ceil(most / 10)),
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    protocol="tls://",
                    security=True,
                    silence_logs=logging.CRITICAL + 1,
                    scheduler_kwargs={"dashboard": False, "allowed_failures": 0},
                )
            except RuntimeError as error:
                raise RuntimeError(f"{error} {GUARD}") from None
            stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(cluster))
        try:
            yield client
        finally:  # after an interruption, CmdStan is still at work
            for nanny in cluster.workers.values():
                with contextlib.suppress(psutil.Error):
                    for process in psutil.Process(nanny.pid).children(recursive=True):
                        process.kill()


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes that do not get Ctrl-C, which a terminal sends to all of them: this one tells them."""
    resource_tracker.ensure_running()  # or the first process started would start it, and hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Tasks:
    """Replications on their way: no more than a few for each worker, so that memory does not grow."""

    def __init__(self, client: "distributed.Client", job: Job):
        import cloudpickle
        import distributed

        self.client, self.packed, self.call = client, cloudpickle.dumps(job), uuid.uuid4().hex
        self.running, self.sent = {}, 0
        self.results = distributed.as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self.asked, self.most = -math.inf, 0

    def room(self) -> int:
        """Tell how many more may be sent; workers may come and go."""
        if time.monotonic() - self.asked > 2:
            self.asked, self.most = time.monotonic(), 2 * max(1, sum(self.client.nthreads().values()))
        return max(0, self.most - len(self.running))

    def send(self, numbers: list[int]) -> None:
        """Send replications to the workers."""
        keys = [f"calibrate-{self.call}-{self.sent + k}-{i}" for k, i in enumerate(numbers)]
        self.sent += len(numbers)
        packed = [self.packed] * len(numbers)
        futures = self.client.map(replicate, packed, numbers, key=keys, pure=False)
        self.running |= zip(keys, zip(numbers, futures, strict=True), strict=True)
        self.results.update(futures)

    def finished(self) -> Iterator[tuple]:
        """Wait for some to end: the number, how it ended, and what it gave or the error."""
        for future, result in self.results.next_batch():
            i, _ = self.running.pop(future.key)
            yield i, future.status, result

    def cancel(self) -> None:
        """Call back those on their way."""
        if self.running and self.client.status == "running":
            self.client.cancel([future for _, future in self.running.values()], force=True)


def run(
    client: "distributed.Client", job: Job, waiting: Iterable[int], interrupts: Interrupts
) -> Iterator[dict]:
    """Run replications, and give what becomes of each as it finishes."""
    import distributed

    tasks, waiting, suspects, alone = _Tasks(client, job), iter(waiting), [], set()
    try:
        while True:
            more = list(itertools.islice(waiting, tasks.room()))
            if not (more or tasks.running) and suspects:
                more = [suspects.pop()]  # others may have killed the workers that tried it: it runs alone
                alone.update(more)
            if more:
                tasks.send(more)
            if not tasks.running:
                return
            with interrupts.allowed():
                ended = list(tasks.finished())
            for i, status, result in ended:
                if status == "finished":
                    yield result
                elif status != "error":
                    raise RuntimeError(LOST)
                elif not isinstance(result[1], distributed.KilledWorker):
                    raise RuntimeError(f"a worker cannot run the program ({in_a_line(result[1])}); {AGAIN}")
                elif i in alone:
                    yield failed(job, i, "every worker that tried it died")
                else:
                    suspects.append(i)
    except OSError:
        raise RuntimeError(LOST) from None
    finally:
        tasks.cancel()
