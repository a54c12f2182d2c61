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

COURSE = Path(__file__).parents[2]

# Of the five judged quantities of each user, one beyond 6 MCSE by chance: less than 1 in a million for
# honest draws. Lessons use one seed, so that all users of a machine see the same.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux tells it")


def scratch_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("class-*"))


def test_four_at_once_over_a_shared_cache_all_finish_with_right_answers_and_compile_nothing(capsys):
    before = scratch_folders()
    seen = rehearsal.rehearse(4)
    assert rehearsal.report(seen, 4), capsys.readouterr().out
    assert sorted(seen["done"]) == ["user00", "user01", "user02", "user03"]
    assert seen["compiles"] == []
    assert all(0.2 < seen["peaks"][user] < 3 for user in seen["done"])
    assert seen["listening"] == {"127.0.0.1"}
    assert seen["opened"] == []
    assert scratch_folders() == before


def test_without_a_shared_cache_a_user_compiles_each_program_once():
    seen = rehearsal.rehearse(1, shared=False)
    assert (seen["failed"], seen["wrong"]) == ({}, {"user00": []})
    assert seen["compiles"] == ["user00"] * len(rehearsal.PROGRAMS)


def test_a_rehearsal_that_is_killed_leaves_no_process_and_no_folder(tmp_path):
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, rehearsal.__file__, "1"]
    driver = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)

    def begun():
        assert driver.poll() is None
        made = list(tmp_path.glob("class-*/hub/log"))
        return made and len(rehearsal.processes(made[0].parents[1])) >= 3

    wait_for(begun)
    (scratch,) = tmp_path.glob("class-*")
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
