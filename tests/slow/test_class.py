"""A class on a JupyterHub: everybody gets right answers, compiles only what must be, and nothing is left."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from waiting import wait_for

from tools.classroom import rehearsal

# Of the five judged quantities of each user, one is beyond 6 MCSE by chance less than once in a million times
# for honest draws. Lessons use one seed, so that all users of a machine see the same.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux tells it")


def test_users_of_a_shared_cache_get_right_answers_and_compile_nothing(capsys):
    before = {*Path(tempfile.gettempdir()).glob("class-*")}
    seen = rehearsal.rehearse(2)
    assert rehearsal.report(seen, 2), capsys.readouterr().out
    assert sorted(seen["done"]) == ["user00", "user01"]
    assert seen["compiles"] == []
    assert all(0.2 < seen["peaks"][user] < 3 for user in seen["done"])
    assert seen["listening"] == {"127.0.0.1"}
    assert seen["opened"] == []
    assert {*Path(tempfile.gettempdir()).glob("class-*")} == before


def test_without_a_shared_cache_a_user_compiles_each_program_once():
    seen = rehearsal.rehearse(1, shared=False, lessons=["04-noncentered-repair"])
    assert (seen["failed"], seen["wrong"]) == ({}, {"user00": []})
    assert seen["compiles"] == ["user00"] * len(rehearsal.PROGRAMS)


def test_a_killed_rehearsal_leaves_no_process_and_no_folder(tmp_path):
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, rehearsal.__file__, "1"]
    driver = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)

    def begun():
        assert driver.poll() is None
        made = [log.parents[1] for log in tmp_path.glob("class-*/hub/log")]
        return made if made and len(rehearsal.processes(made[0])) >= 3 else None

    (scratch,) = wait_for(begun)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not scratch.exists())
    assert rehearsal.processes(scratch) == []


@pytest.mark.parametrize("error", [-7, 7, float("nan")])
def test_an_answer_that_is_far_off_or_not_a_number_is_wrong(error):
    scores = [{"quantity": name, "error_in_mcse": 0.0} for name in ("theta", "tau", "sigma")]
    assert rehearsal.wrong("04-noncentered-repair", scores) == []
    scores[1]["error_in_mcse"] = error
    assert len(rehearsal.wrong("04-noncentered-repair", scores)) == 1
