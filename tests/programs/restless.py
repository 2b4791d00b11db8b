"""Never at rest, with objects that are always there.

usage: restless.py collect|fork|threads|signals|many|interpreters

Writes how many objects of a few types there are and how large each is, then "ready". Each line on standard input is answered
with what has happened so far; after "rest" it does nothing any more but wait for the next line, after "go" it goes on.
"""
import gc
import json
import os
import select
import signal
import sys
import threading
import time
import warnings

KEPT, KEPT_IN_EACH, INTERPRETERS, MANY = 500, 100, 3, 200
CLASS = '''
class Kept:
    def __init__(self, number):
        self.number = number
        self.payload = [str(number)]

    def __repr__(self):
        raise AssertionError("nobody asked")
'''
exec(CLASS)


class Counts:
    ticks = wrong = sent = received = 0


KEEP = [Kept(number) for number in range(KEPT)]
END = threading.Event()
STARTED = threading.Semaphore(0)
RUNNING = []
HELD = []

# 3.12 and later warn of fork() where there are threads.
warnings.simplefilter("ignore")


def collect():
    start = time.perf_counter()
    gc.collect()
    took = time.perf_counter() - start
    # A quarter of the time it does not collect.
    while time.perf_counter() < start + took * 4 / 3:
        HELD[Counts.ticks % 1000] = [None]


def fork():
    child = os.fork()
    if child == 0:
        os._exit(7)
    if os.waitpid(child, 0) != (child, 7 << 8):
        Counts.wrong += 1


def compute():
    sum([number * number for number in range(2000)])


def threads():
    thread = threading.Thread(target=compute)
    thread.start()
    RUNNING.append(thread)
    if len(RUNNING) > 8:
        RUNNING.pop(0).join()


def on_signal(number, frame):
    Counts.received += number == signal.SIGUSR2


def signals():
    Counts.sent += 1
    os.kill(os.getpid(), signal.SIGUSR2)
    while Counts.received < Counts.sent:
        pass


def wait_with_one(number):
    # Unknown to the collector, and there are no others: only the frame that holds it leads to it.
    local = complex(number, 1)  # noqa
    STARTED.release()
    END.wait()


def begin(mode):
    """What there is to do over and over, if anything; and how many objects more there are."""
    if mode == "collect":
        HELD.extend([number] for number in range(300000))
        return collect, {}
    if mode == "signals":
        signal.signal(signal.SIGUSR2, on_signal)
        signal.signal(signal.SIGALRM, on_signal)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        return signals, {}
    if mode == "many":
        for number in range(MANY):
            threading.Thread(target=wait_with_one, args=(number,), daemon=True).start()
        for _ in range(MANY):
            STARTED.acquire()
        return None, {"builtins.complex": MANY}
    if mode == "interpreters":
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        for _ in range(INTERPRETERS):
            HELD.append(interpreters.create())
            text = CLASS + "KEEP = [Kept(number) for number in range(%d)]" % KEPT_IN_EACH
            if interpreters.run_string(HELD[-1], text) is not None:
                os._exit(1)
        return None, {"__main__.Kept": INTERPRETERS * KEPT_IN_EACH}
    # The first thread to end has libgcc_s mapped for that, where threads end by pthread_exit().
    threads()
    RUNNING.pop().join()
    return {"fork": fork, "threads": threads}[mode], {}


def main():
    work, more = begin(sys.argv[1])
    said = {"__main__.Kept": [KEPT + more.get("__main__.Kept", 0), sys.getsizeof(KEEP[0])],
            "builtins.complex": [more.get("builtins.complex", 0), sys.getsizeof(complex())]}
    os.write(1, ("oracle %s\nready\n" % json.dumps(said)).encode())
    busy = work is not None
    while True:
        if not busy or select.select([0], [], [], 0)[0]:
            line = os.read(0, 100).strip()
            if not line:
                os._exit(0)
            busy = work is not None and line != b"rest"
            while not busy and RUNNING:
                RUNNING.pop().join()
            counts = {name: value for name, value in vars(Counts).items() if name[0] != "_"}
            os.write(1, json.dumps(counts).encode() + b"\n")
        else:
            work()
            Counts.ticks += 1


main()
