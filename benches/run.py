#!/usr/bin/env python3
"""Measures what an analysis costs, us and the target, and prints one table. See README.md beside this file.

Python 3.8 or later, standard library only. Builds the program (release) unless one is given.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
from measure import note

ROOT = Path(__file__).resolve().parent.parent
PEER = ("memory-analyzer==0.1.2", "objgraph", "pympler")
PEER_NAME = "facebookincubator 0.1.2"
# What is measured by name: the arguments that ask for every object with all its references, and for nothing else.
COLLECTORS = {
    "reader": ("--collector", "reader"),
    "gdb": ("--collector", "gdb", "--probe", "heap"),
}
# Long enough that what is measured is the analysis, not a limit it ran into.
UNHURRIED = ("--max-pause", "5", "--max-hold", "600", "--timeout", "600")
LIMIT_SECONDS = 600
# It sometimes waits for ever, for a target that it has hung.
PEER_LIMIT_SECONDS = 120
FLOOR_SECONDS = 3

# What has to hold, idle and busy: collector, freeze, objects, field, highest value, unit.
GOALS = (
    ("reader", "twin", "1M", "pause_ms", 3, "ms"), ("reader", "twin", "5M", "pause_ms", 10, "ms"),
    ("reader", "stop", "1M", "pause_ms", 25, "ms"),
    ("reader", "twin", "1M", "printed_s", 0.3, "s"), ("reader", "twin", "5M", "printed_s", 1.5, "s"),
    ("reader", "twin", "1M", "over_mib", 50, "MiB"), ("reader", "twin", "5M", "over_mib", 50, "MiB"),
    ("reader", "stop", "1M", "over_mib", 50, "MiB"), ("reader", "stop", "5M", "over_mib", 50, "MiB"),
    ("reader", "twin", "1M", "left_kib", 0, "KiB"), ("reader", "stop", "1M", "left_kib", 0, "KiB"),
    ("reader", "twin", "1M", "wall_s", 0.8, "s"), ("reader", "twin", "1M", "report_s", 0.4, "s"),
    ("gdb", "twin", "1M", "pause_ms", 4, "ms"), ("gdb", "twin", "1M", "wall_s", 3, "s"),
    ("gdb", "twin", "1M", "left_kib", 0, "KiB"), ("gdb", "twin", "1M", "left_mappings", 0, "mappings"),
    ("gdb", "twin", "1M", "tool_mib", 250, "MiB"), ("gdb", "twin", "1M", "snapshot_mib", 12, "MiB"),
)
# Of the target's resident memory: what a tool may have in any case.
SHARE_OF_TARGET = 1.2

COLUMNS = (
    ("what", "analysis", "%s"), ("objects", "objects", "%s"), ("mode", "target", "%s"),
    ("pause_ms", "pause ms", "%.2f"), ("felt_ms", "felt ms", "%.1f"), ("main_ms", "main held ms", "%.1f"),
    ("printed_s", "printed s", "%.3f"), ("wall_s", "wall s", "%.3f"), ("per_million_s", "s per M", "%.3f"),
    ("report_s", "report s", "%.3f"),
    ("left_kib", "left KiB", "%+d"), ("left_mappings", "left maps", "%+d"),
    ("resident_mib", "target MiB", "%.0f"), ("tool_mib", "tool MiB", "%.0f"), ("over_mib", "over MiB", "%+.0f"),
    ("gdb_mib", "gdb MiB", "%.0f"), ("twin_mib", "twin MiB", "%.1f"), ("snapshot_mib", "snapshot MiB", "%.3f"),
    ("seen", "seen", "%d"), ("runs", "runs", "%s"),
)
NUMBERS = [name for name, _, form in COLUMNS if form != "%s"]


class Bench:
    """What does not change from one row to the next."""

    def __init__(self, options, folder):
        self.program = options.program or build()
        self.python = options.python or interpreter()
        self.repeat = options.repeat
        self.collectors, self.freezes = options.collectors, options.freeze
        self.folder = folder
        self.peer = None if options.no_peer else install_peer(self.python)
        self.site_dir = next(self.peer.parent.parent.glob("lib/python*/site-packages"), None) if self.peer else None
        # The user's own settings must not change what is measured.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("MEMORY_ANALYZER_")}
        self.environment = dict(ours, XDG_CONFIG_HOME=str(folder))

    def target(self, objects, mode):
        return measure.Target(self.python, objects, mode, self.site_dir, self.folder)

    def ours(self, target, freeze, arguments):
        out = Path(tempfile.mkdtemp(dir=self.folder))
        command = [self.program, "analyze", target.pid, "-q", "-o", out, "--freeze", freeze, *UNHURRIED, *arguments]
        cost = measure.run(target, command, LIMIT_SECONDS, self.environment)
        snapshots = list(out.glob("*.parquet"))
        if cost["exit_code"] == 0 and snapshots:
            begun = time.monotonic()
            report = self.report(snapshots[0])
            cost.update(report_s=time.monotonic() - begun,
                        pause_ms=report["collection"]["pause_ms"], seen=report["totals"]["objects"],
                        snapshot_mib=snapshots[0].stat().st_size / 2**20)
            cost["per_million_s"] = cost["printed_s"] / cost["seen"] * 10**6
            if freeze == "stop":
                cost["twin_mib"] = None
        cost["over_mib"] = cost["tool_mib"] - SHARE_OF_TARGET * cost["resident_mib"]
        shutil.rmtree(out)
        return cost

    def report(self, snapshot):
        """What was printed, as data."""
        command = [self.program, "report", snapshot, "--format", "json"]
        printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=self.environment).stdout
        return json.loads(printed.decode())["targets"][0]

    def theirs(self, target):
        snapshot = self.folder / "peer.snapshot"
        command = [self.peer, "run", "-q", "-e", self.python, "-f", snapshot, target.pid]
        cost = measure.run(target, command, PEER_LIMIT_SECONDS)
        # What it prints is not its table alone.
        cost.update(twin_mib=None, printed_s=None)
        # It exits with 0 also when the target told it nothing.
        if cost["exit_code"] == 0 and not snapshot.exists():
            cost["exit_code"], cost["errors"] = 1, cost["output"]
        if snapshot.exists():
            cost["snapshot_mib"] = snapshot.stat().st_size / 2**20
            snapshot.unlink()
        return cost

    def measure_ours(self, objects, mode, rows):
        """Each collector in each way, on the same target; all probes once."""
        plans = [("%s, %s" % (name, freeze), freeze, COLLECTORS[name], self.repeat)
                 for name in self.collectors for freeze in self.freezes]
        if mode == "idle" and "gdb" in self.collectors and "twin" in self.freezes:
            plans.append(("gdb, twin, all probes", "twin", ("--collector", "gdb"), 1))
        with self.target(objects, mode) as target:
            note("target of %d objects, %s, pid %d" % (objects, mode, target.pid))
            for what, freeze, arguments, repeat in plans:
                self.ours(target, freeze, arguments)        # warm: files cached, the target's own first steps done
                floor = measure.undisturbed(target, FLOOR_SECONDS)
                costs = [self.ours(target, freeze, arguments) for _ in range(repeat)]
                rows.append(row(what, objects, mode, floor, costs))

    def measure_theirs(self, objects, mode, rows):
        """Each on a target of its own: it leaves things behind, and does not always leave the target alive."""
        costs, floor = [], None
        for _ in range(self.repeat):
            try:
                with self.target(objects, mode) as target:
                    floor = floor or measure.undisturbed(target, FLOOR_SECONDS)
                    costs.append(self.theirs(target))
            except RuntimeError as error:
                costs.append({"exit_code": None, "errors": str(error)})
        rows.append(row(PEER_NAME, objects, mode, floor, costs))


def row(what, objects, mode, floor, costs):
    """The medians of those that succeeded."""
    good = [cost for cost in costs if cost["exit_code"] == 0]
    for cost in costs:
        if cost not in good:
            note("  %s failed (exit code %s): %s" % (what, cost["exit_code"], cost["errors"].strip()[-600:]))
        else:
            cost["felt_ms"] = max(0, cost["beat_ms"] - floor[0])
    values = {name: [cost[name] for cost in good if cost.get(name) is not None] for name in NUMBERS}
    result = {name: statistics.median(found) if found else None for name, found in values.items()}
    known = ("%s %.2f" % (name, value) for name, value in result.items() if value is not None)
    note("  %s, %s: %s" % (what, mode, ", ".join(known)))
    runs = "%d of %d" % (len(good), len(costs))
    return dict(result, what=what, objects=short(objects), mode=mode, runs=runs, floor_ms=floor)


def build():
    note("building (release)")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "memory-analyzer"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "memory-analyzer"


def interpreter():
    """A pyenv's 3.11, which has debug information and runs what the peer needs; else whatever is here."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob("versions/3.11.*/bin/python3"))
    return found[-1] if found else Path(shutil.which("python3") or sys.executable)


def install_peer(python):
    """Its command in an environment of its own; None, said why, when it cannot be had."""
    folder = ROOT / "target" / "bench-peer"
    command = folder / "bin" / "memory_analyzer"
    try:
        if not command.exists():
            note("installing %s" % PEER[0])
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PEER],
                           check=True, capture_output=True)
        subprocess.run([command, "run", "--help"], check=True, capture_output=True)
        return command
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or b""
        print("the peer cannot be had: %s %s\n" % (error, said.decode(errors="replace").strip()[-400:]))
        return None


def short(objects):
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if objects >= unit and objects % unit == 0:
            return "%d%s" % (objects // unit, name)
    return str(objects)


def number_of_objects(text):
    factors = {"k": 10**3, "M": 10**6}
    return int(text[:-1]) * factors[text[-1]] if text[-1] in factors else int(text)


def chosen(text, known):
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError("%s is none of %s" % (name, ", ".join(known)))
    return names


def table(rows):
    cells = [[title for _, title, _ in COLUMNS]]
    for entry in rows:
        cells.append(["-" if entry.get(name) is None else form % entry[name] for name, _, form in COLUMNS])
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    cells.insert(1, ["-" * width for width in widths])
    def fitted(line):
        first, *others = zip(line, widths)
        return "  ".join([first[0].ljust(first[1])] + [cell.rjust(width) for cell, width in others])
    return "\n".join(map(fitted, cells))


def goals(rows):
    """Which goals are met, by the worse of idle and busy."""
    lines = []
    for collector, freeze, objects, name, most, unit in GOALS:
        what = "%s, %s" % (collector, freeze)
        values = [entry[name] for entry in rows if (entry["what"], entry["objects"]) == (what, objects)
                  and entry.get(name) is not None]
        if values:
            verdict = "met" if max(values) <= most else "MISSED"
            lines.append("  %-7s %s, %s: %s %g %s (at most %g)" % (
                verdict, what, objects, name, round(max(values), 3), unit, most))
    return "\n".join(["", "goals:"] + lines) if lines else ""


def surroundings(bench):
    version = subprocess.run([bench.python, "-V"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    gdb = subprocess.run(["gdb", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()[0]
    machine = "Linux %s, %d CPUs, load %.1f" % (platform.release(), os.cpu_count(), os.getloadavg()[0])
    return "%s, %s, %s" % (version, gdb, machine)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    several = lambda known: lambda text: chosen(text, known)
    parser.add_argument("--sizes", default="100k,1M,5M", help="objects in the heaps, with commas [default: %(default)s]")
    parser.add_argument("--collectors", default=",".join(COLLECTORS), type=several(COLLECTORS),
                        help="which, with commas [default: %(default)s]")
    parser.add_argument("--modes", default="idle,busy", type=several(("idle", "busy")),
                        help="what the target does [default: %(default)s]")
    parser.add_argument("--freeze", default="twin,stop", type=several(("twin", "stop")),
                        help="on what they work [default: %(default)s]")
    parser.add_argument("--repeat", type=int, default=3,
                        help="runs of each, after a first that warms up [default: %(default)s]")
    parser.add_argument("--python", type=Path, help="the target's interpreter [default: 3.11 of pyenv, else python3]")
    parser.add_argument("--program", type=Path, help="measure this memory-analyzer instead of building one")
    parser.add_argument("--no-peer", action="store_true", help="leave out the peer")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(options, Path(folder))
        rows = []
        print("%s; medians of %d" % (surroundings(bench), options.repeat), flush=True)
        # However this ends, no target stays, and what was measured is shown.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for objects in map(number_of_objects, options.sizes.split(",")):
                for mode in options.modes:
                    bench.measure_ours(objects, mode, rows)
                    if bench.peer:
                        bench.measure_theirs(objects, mode, rows)
        except KeyboardInterrupt:
            note("interrupted")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    print("\n" + table(rows) + "\n" + goals(rows))


if __name__ == "__main__":
    main()
