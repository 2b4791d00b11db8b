#!/usr/bin/env python3
"""Measures what the dominator tree and the retained sizes cost, without the time to load a snapshot. See README.md.

    walks.py [--sizes 1M,10M] [--snapshot FILE …] [--repeat 5]

Takes a snapshot of target.py by the reader for each size (or the snapshots given), has the program tell its steps
(`dominators -d`) on one processor, and prints the medians: seconds by the clock, processor seconds and peak memory.
Python 3.8 or later, standard library only.
"""
import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import run
from measure import note

# One type suffices for the sizes of all to be computed.
QUESTION = ("dominators", "--depth", "1", "--top", "1", "-d")
TYPE = "builtins.str"
STEP = re.compile(r"^\[ *([0-9.]+) s\] (read|[^:\n]+)", re.MULTILINE)
STEPS = ("dominator tree and retained sizes of objects", "retained sizes of types")
# Tree and types together, seconds, and what memory they take beyond reading, bytes for each object.
GOALS = {"1M": 0.4, "10M": 5.0}
MOST_BYTES = 60


def timed(command):
    """Seconds of each step; processor seconds and peak KiB of all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    steps, last = {}, 0.0
    for at, name in STEP.findall(done.stderr.decode()):
        steps[name], last = float(at) - last, float(at)
    return steps, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode


def peak(command):
    """KiB at the most, of one run: of a process of its own, as the kernel keeps the greatest of all children."""
    script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
              "stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    words = [sys.executable, "-c", script, *map(str, command)]
    return int(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)


def snapshot(program, python, objects, folder):
    file = folder / ("%d.parquet" % objects)
    with measure.Target(python, objects, "idle", None, folder) as target:
        command = [program, "analyze", target.pid, "-q", "-c", "reader", "-f", file, *run.UNHURRIED]
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
    return file


def one(program, name, file, repeat):
    runs = [timed([program, *QUESTION, file, TYPE]) for _ in range(repeat)]
    steps = [statistics.median(steps[name] for steps, _, _ in runs) for name in STEPS]
    # An address at which nothing is: the snapshot is read, and that is all.
    reading = [program, "tree", file, "0x1"]
    asking = [program, *QUESTION[:5], file, TYPE]
    count = re.search(r"reached +(\d+)", subprocess.run(
        [str(word) for word in [program, *QUESTION[:5], file]], stdout=subprocess.PIPE, check=True).stdout.decode())
    objects = int(count.group(1))
    cpu = [statistics.median(timed(command)[1] for _ in range(repeat)) for command in (reading, asking)]
    more = (peak(asking) - peak(reading)) * 1024 / objects
    note("%s: %d objects reached" % (name, objects))
    print("%-12s tree %.3f s, types %.3f s, all less reading %.3f processor s, %.0f bytes for each object"
          % (name, *steps, cpu[1] - cpu[0], more))
    if name in GOALS:
        met = "met" if sum(steps) <= GOALS[name] and more <= MOST_BYTES else "MISSED"
        print("%-12s goal: tree and types in %.1f s, %d bytes: %s" % ("", GOALS[name], MOST_BYTES, met))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="1M,10M")
    parser.add_argument("--snapshot", type=Path, nargs="*", default=[])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--program", type=Path)
    options = parser.parse_args()
    program = options.program or run.build()
    # Whoever is started from here is on the same one.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        for file in options.snapshot:
            one(program, file.stem, file, options.repeat)
        for size in [] if options.snapshot else options.sizes.split(","):
            file = snapshot(program, run.interpreter(), run.number_of_objects(size), Path(folder))
            one(program, size, file, options.repeat)


if __name__ == "__main__":
    main()
