"""Notices everything: computes checksums in four threads, hands numbers through a pipe, has children and a timer.

Each line on standard input is answered: "report" with a report; "hold" likewise, and it has no more children from then on;
"go" goes on; "end" stops all threads, reports and ends.
"""
import json
import os
import select
import signal
import subprocess
import sys
import threading

MASK = (1 << 64) - 1
STOP = threading.Event()
CHILD = ["/bin/sh", "-c", "exit 7"]


class Worker(threading.Thread):
    """x ← a·x + c mod 2⁶⁴, which the test computes again."""

    def __init__(self, seed):
        threading.Thread.__init__(self, daemon=True)
        self.seed = self.value = seed
        self.steps = 0

    def run(self):
        while not STOP.is_set():
            value = self.value
            for _ in range(1000):
                value = (value * 6364136223846793005 + 1442695040888963407) & MASK
            self.value = value
            self.steps += 1000


class Pipe(threading.Thread):
    """Eight bytes a number, into a pipe and out again in another thread."""

    def __init__(self):
        threading.Thread.__init__(self, daemon=True)
        self.out, self.into = os.pipe()
        self.received = self.wrong = 0
        self.writer = threading.Thread(target=self.write, daemon=True)

    def write(self):
        number = 0
        while not STOP.is_set():
            os.write(self.into, number.to_bytes(8, "big"))
            number += 1
            STOP.wait(0.001)
        os.close(self.into)

    def run(self):
        while True:
            piece = os.read(self.out, 8)
            if not piece:
                return
            if int.from_bytes(piece, "big") != self.received:
                self.wrong += 1
            self.received += 1


class Counts:
    alarms = deaths = children = strange = 0


def on_alarm(number, frame):
    Counts.alarms += 1


def on_death(number, frame):
    Counts.deaths += 1


def have_a_child():
    child = subprocess.Popen(CHILD)
    if child.wait() != 7:
        Counts.strange += 1
    Counts.children += 1
    try:
        os.waitpid(-1, os.WNOHANG)
        Counts.strange += 1  # there is one that we did not make
    except ChildProcessError:
        pass


def main():
    workers = [Worker(seed) for seed in range(4)]
    pipe = Pipe()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGCHLD, on_death)

    def report():
        value = dict(vars(Counts), workers=[[w.seed, w.steps, w.value] for w in workers if not w.is_alive()],
                     steps=sum(w.steps for w in workers), received=pipe.received, wrong=pipe.wrong)
        print(json.dumps({k: v for k, v in value.items() if k[0] != "_"}), flush=True)

    have_a_child()
    for thread in workers + [pipe, pipe.writer]:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    print("ready", flush=True)
    busy = True
    while True:
        if select.select([0], [], [], 0.02)[0]:
            line = sys.stdin.readline().strip()
            if line == "end":
                break
            if line in ("hold", "go"):
                busy = line == "go"
            report()
        elif busy:
            have_a_child()
    signal.setitimer(signal.ITIMER_REAL, 0)
    STOP.set()
    for thread in workers + [pipe, pipe.writer]:
        thread.join()
    report()
    sys.stdin.readline()


main()
