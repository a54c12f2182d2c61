"""The page "Many replications": its commands do what it says."""

import re
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from distributed import Client
from polars.testing import assert_frame_equal

import helpers
from helpers.priors import PRIOR
from tools.tables import terminals as terminals_of_page

N = 40  # The page's thousand replications are too many for a test.
DESIGN = helpers.simulate([2, 3], theta=10, tau=0.5, sigma=1, seed=1, levels="plate")
TREE, _ = helpers.stan_data(DESIGN, "plate", "y")


def imagine(rng):
    theta, tau, sigma = rng.normal(10, 3), abs(rng.normal(0, 5)), abs(rng.normal(0, 5))
    y = rng.normal(rng.normal(theta, tau, 2)[TREE["index_1"] - 1], sigma)
    return {"theta": theta, "tau": tau, "sigma": sigma}, helpers.tree_data(TREE | {"y": y}, PRIOR)


@pytest.fixture
def terminals(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with terminals_of_page.Terminals(tmp_path) as terminals:
        yield terminals


def test_commands_calibrate_and_a_worker_that_is_killed_leaves_no_trace(terminals):
    commands = terminals_of_page.page_commands()
    for name in ("scheduler", "one", "two"):
        terminals.start(name, commands[name])
    client = terminals_of_page.connect(terminals, 2)
    for process in map(psutil.Process, (process.pid for process in terminals.processes.values())):
        sockets = [c for p in (process, *process.children(True)) for c in p.net_connections("inet")]
        hosts = {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}
        assert hosts == {"127.0.0.1"}, "others on the network could run programs"
    seen = []

    def kill_and_start_again(rows):
        seen.append(rows)
        if len(seen) == 5:
            second = psutil.Process(terminals.processes["two"].pid)
            family = [second, *second.children(recursive=True)]
            terminals.type(commands["kill"])
            assert terminals.processes["two"].wait() == -9
            psutil.wait_procs(family)
            client.sync(client.scheduler.identity)  # After it the scheduler has heard.
        if len(seen) == 15:
            assert [*client.nthreads().values()] == [1], "one worker is left"
            terminals.start("two", commands["two"])
            client.wait_for_workers(2, timeout=60)

    calibrate = partial(helpers.calibrate, folder="kept", watch=kill_and_start_again, show_progress=False)
    scope = {"client": client, "imagine": imagine, "helpers": SimpleNamespace(calibrate=calibrate)}
    line, found = re.subn(r"\bn=1000\b", f"n={N}", commands["run"])
    assert found == 1
    exec(line, scope)
    done = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert min(done.values()) > 0, "the worker started again got its share"
    assert sum(done.values()) < N, "and the one that was killed had done some"
    client.close()

    table = scope["table"]
    assert table["status"].unique().to_list() == ["ok"]
    assert table["replication"].to_list() == [i for i in range(N) for _ in range(3)]
    local = helpers.calibrate("tree_marginal", imagine, N, folder="local", show_progress=False)
    assert_frame_equal(table.drop("seconds"), local.drop("seconds"), check_exact=True)
    assert len(seen) == N, "none was handed over twice"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_certificates_let_in_who_has_them_and_nobody_else(terminals, monkeypatch):
    text = terminals_of_page.PAGE.read_text("utf-8").split("### Certificates")[1].split("\n## ")[0]
    key, scheduler, worker, client = re.findall(r"^```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    terminals.type(key)
    assert Path("key.pem").stat().st_mode & 0o077 == 0, "others could read the key"
    for name, lines in {"scheduler": scheduler, "worker": worker}.items():
        options, command = lines.strip().split("\n", 1)
        terminals.start(name, command, before=options)
    (terminals.folder / "lessons").mkdir()
    monkeypatch.chdir("lessons")
    scope = {}
    exec(terminals.text(client), scope)
    with scope["client"] as client:
        client.wait_for_workers(1, timeout=60)
        assert client.submit(sum, (1, 2)).result(timeout=30) == 3
    with pytest.raises(OSError, match=r"closed|Timed out"):
        Client(terminals.text("tcp://127.0.0.1:8786"), timeout=2)
