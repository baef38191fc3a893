"""A process is known again, and known to be gone, by others than itself."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from services.storage.process import Process, start_of, this_machine

pytestmark = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


def test_process_that_lives_is_not_gone():
    """Its text tells another process all that is needed."""
    here = Process.read(str(Process.here()))

    assert here == Process.here()
    assert here is not None and here.is_near and not here.is_gone()


def test_process_that_has_ended_is_gone_though_its_number_is_in_use():
    """The kernel gives numbers anew; a zombie is gone as well."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = replace(Process.here(), pid=child.pid, started=start_of(child.pid) or "")
        assert not process.is_gone()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.is_gone()  # a zombie still
    assert process.is_gone()
    assert replace(process, pid=os.getpid()).is_gone()  # another process has the number


def test_process_elsewhere_cannot_be_seen():
    """Another machine, or this one before it was started again."""
    assert not replace(Process.here(), machine="elsewhere").is_near
    assert Process.read("whatever") is None
