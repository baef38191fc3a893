"""What a tree of processes uses, seen on processes whose use is known."""

import subprocess
import sys

import psutil

from tasks.comparison.measuring.process_tree import watched

BUSY_CHILD = """
import subprocess, sys, time
child = '''
import sys, time
held = bytearray(64 * 2**20)
held[::4096] = b"x" * len(held[::4096])
until = time.process_time() + 0.5
while time.process_time() < until: pass
sys.stdout.write("done\\\\n"); sys.stdout.flush()
sys.stdin.readline()
'''
process = subprocess.Popen([sys.executable, "-c", child], stdin=sys.stdin, stdout=sys.stdout)
process.wait()
"""


def test_use_of_children_counts():
    """Half a second of CPU and 64 MiB, both in the child of the process that is watched."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    with process, watched(process.pid, since_start=True) as usage:
        assert process.stdout.readline() == "done\n"
        usage.look(psutil.Process(process.pid))
        process.stdin.write("\n")
        process.stdin.flush()
        process.wait(timeout=60)
    assert usage.cpu_s >= 0.45
    assert usage.peak_mib >= 64


def test_use_before_the_block_counts_only_if_it_is_asked_for():
    """A server that has started is measured while it answers."""
    with watched(psutil.Process().pid) as usage:
        pass
    assert usage.cpu_s < sum(psutil.Process().cpu_times()[:2])
    with watched(psutil.Process().pid, since_start=True) as whole:
        pass
    assert whole.cpu_s > usage.cpu_s


def test_process_that_has_ended_leaves_what_was_seen_of_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with watched(process.pid, since_start=True) as usage:
        process.communicate(b"\n", timeout=60)
    assert usage.peak_mib > 0
