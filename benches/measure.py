"""One target, one tool run against it, and what both cost: seen from outside, by clock and /proc.

Measures whatever command it is given; knows nothing of what the command prints or writes. Linux only.
"""
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOTS = 8
# Peaks that the kernel does not keep itself are as fine as this.
SAMPLE_SECONDS = 0.01
# A heap of 5M objects is built in some ten seconds; this only has to end.
START_SECONDS = 300
# The last gap is over, and the numbers written, after some beats.
SETTLE_SECONDS = 0.2
# Beats further apart than this say that the target hangs.
HANG_SECONDS = 5
KIB_PER_MIB = 1024


class Target:
    """A running target.py."""

    def __init__(self, python, objects, mode, site_dir, folder):
        handle, name = tempfile.mkstemp(prefix="watch-", dir=folder)
        os.write(handle, bytes(8 * SLOTS))
        os.close(handle)
        self.watch = Path(name)
        environment = dict(os.environ)
        if site_dir:
            environment["PYTHONPATH"] = str(site_dir)
        command = [python, HERE / "target.py", str(objects), "--watch", name, "--mode", mode]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, env=environment)
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.close()
            raise RuntimeError("the target did not start")
        self.facts = json.loads(line.decode())
        self.pid = self.process.pid
        self.mode = mode
        self.epoch = 0
        time.sleep(SETTLE_SECONDS)

    def _slots(self):
        return struct.unpack("%dq" % SLOTS, self.watch.read_bytes())

    def forget(self):
        """Starts the longest gaps anew."""
        self.epoch += 1
        with open(self.watch, "r+b") as file:
            file.write(struct.pack("q", self.epoch))
        until = time.monotonic() + HANG_SECONDS
        while time.monotonic() < until:
            slots = self._slots()
            if slots[1] == self.epoch and (self.mode != "busy" or slots[5] == self.epoch):
                return
            time.sleep(0.002)
        raise RuntimeError("the target hangs")

    def gaps(self):
        """The longest gaps since `forget`, in ms: of the heartbeat, of the main thread (None when idle).

        Waits for beats to come again, so that a gap that has not ended is not missed."""
        until = time.monotonic() + HANG_SECONDS
        rounds = self._slots()[7]
        while True:
            time.sleep(SETTLE_SECONDS)
            slots = self._slots()
            if time.monotonic_ns() - slots[4] < 1e8 and (self.mode != "busy" or slots[7] > rounds):
                return slots[2] / 1e6, (slots[6] / 1e6 if self.mode == "busy" else None)
            if time.monotonic() > until:
                raise RuntimeError("the target hangs")

    def memory(self):
        """What it has: resident KiB (counted exactly, unlike VmRSS), mappings."""
        rollup = fields("/proc/%d/smaps_rollup" % self.pid)
        if "Rss" not in rollup:
            raise RuntimeError("the target is gone")
        return rollup["Rss"], len(Path("/proc/%d/maps" % self.pid).read_text().splitlines())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.watch.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def fields(path):
    """The `Name:  number` lines of a file of /proc; empty when the process is gone."""
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return {}
    pairs = (line.split()[:2] for line in text.splitlines() if ":" in line)
    return {pair[0][:-1]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def program(pid):
    """The name of what it runs; empty when it is gone."""
    try:
        return Path("/proc/%d/comm" % pid).read_text().strip()
    except OSError:
        return ""


def children(pid):
    """Its child processes, whichever thread started them."""
    found = []
    try:
        for thread in os.listdir("/proc/%d/task" % pid):
            found += Path("/proc/%d/task/%s/children" % (pid, thread)).read_text().split()
    except OSError:
        pass
    return [int(child) for child in found]


def descendants(pid):
    found = [pid]
    for process in found:
        found += children(process)
    return found


class Peaks(threading.Thread):
    """Follows the memory of a tool's processes and of the target's twin; peaks in KiB."""

    def __init__(self, tool, target):
        super().__init__(daemon=True)
        self.tool, self.target = tool, target
        self.known = set(children(target))
        self.resident = {}
        self.names = {}
        self.twin = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE_SECONDS):
            for pid in descendants(self.tool):
                peak = fields("/proc/%d/status" % pid).get("VmHWM", 0)
                name = program(pid)
                # Between fork and exec a child still is its parent.
                if name and self.names.setdefault(pid, name) != name:
                    self.names[pid], self.resident[pid] = name, 0
                self.resident[pid] = max(self.resident.get(pid, 0), peak)
            twins = set(children(self.target)) - self.known
            private = (fields("/proc/%d/smaps_rollup" % pid) for pid in twins)
            # Clean private pages are those of files that nobody else has mapped.
            self.twin = max(self.twin, sum(rollup.get("Private_Dirty", 0) for rollup in private))

    def of_gdb(self):
        return max((peak for pid, peak in self.resident.items() if self.names.get(pid) == "gdb"), default=0)

    def of_tool(self):
        """The sum over its processes but GDB: an upper bound, as their peaks need not coincide."""
        return sum(peak for pid, peak in self.resident.items() if self.names.get(pid) != "gdb")


class Printed(threading.Thread):
    """Takes what a tool prints, and notes when the first of it came: tables are written at once."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.parts, self.first = pipe, [], None

    def run(self):
        for part in iter(lambda: os.read(self.pipe.fileno(), 1 << 16), b""):
            self.first = self.first or time.monotonic()
            self.parts.append(part)
        self.pipe.close()


def run(target, command, limit, environment=None):
    """Runs `command` against `target`; what it cost both, with its exit code and output.

    Raises RuntimeError when the target did not survive it."""
    resident, mappings = target.memory()
    target.forget()
    with tempfile.TemporaryFile() as err:
        started = time.monotonic()
        tool = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=err, env=environment)
        printed = Printed(tool.stdout)
        printed.start()
        peaks = Peaks(tool.pid, target.pid)
        peaks.start()
        try:
            code = tool.wait(limit)
        except subprocess.TimeoutExpired:
            for pid in reversed(descendants(tool.pid)):
                os.kill(pid, 9)
            tool.wait()
            code = None
        wall = time.monotonic() - started
        peaks.over.set()
        peaks.join()
        # Who was left behind may hold the other end.
        printed.join(SETTLE_SECONDS)
        err.seek(0)
        output, errors = b"".join(printed.parts).decode(errors="replace"), err.read().decode(errors="replace")
    beat, main = target.gaps()
    resident_after, mappings_after = target.memory()
    return {
        "exit_code": code, "output": output, "errors": errors, "wall_s": wall,
        "printed_s": printed.first - started if printed.first else None, "beat_ms": beat, "main_ms": main,
        "resident_mib": resident / KIB_PER_MIB,
        "left_kib": resident_after - resident, "left_mappings": mappings_after - mappings,
        "tool_mib": peaks.of_tool() / KIB_PER_MIB, "gdb_mib": peaks.of_gdb() / KIB_PER_MIB,
        "twin_mib": peaks.twin / KIB_PER_MIB,
    }


def undisturbed(target, seconds):
    """The gaps that are there without any tool, in ms."""
    target.forget()
    time.sleep(seconds)
    return target.gaps()


def note(text):
    print(text, file=sys.stderr, flush=True)
