"""What a process gives up before it runs the user's code, and how it finds out whether that was enough."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from shoal.worker import isolation
from shoal.worker.program import Refused

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is about /proc")


@linux
def test_a_worker_that_can_be_looked_into_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        isolation.check(os.getpid())
    assert refused.value.kind == "isolation"
    assert "/environ can be read" in refused.value.message


def test_nothing_is_refused_where_there_is_no_worker_or_none_is_seen() -> None:
    isolation.check(None)
    # No process has so high a number.
    isolation.check(1 << 30)


@linux
def test_what_is_given_up_is_gone_for_all_that_is_started() -> None:
    code = (
        "import subprocess, sys\n"
        "from shoal.worker import isolation\n"
        "isolation.restrict()\n"
        "isolation.offer_to_be_ended()\n"
        "subprocess.run(['cat', '/proc/self/status', '/proc/self/limits', '/proc/self/oom_score_adj'], check=True)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    fields = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    given_up = sum(1 << number for number in isolation._GIVEN_UP.values())
    assert int(fields["CapEff"], 16) & given_up == 0
    assert int(fields["CapPrm"], 16) & given_up == 0
    if os.geteuid() == 0:
        # Root's programs get what is in this set.
        assert int(fields["CapBnd"], 16) & given_up == 0
    assert fields["NoNewPrivs"] == "1"
    core = next(line for line in said.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert said.splitlines()[-1] == "1000"
