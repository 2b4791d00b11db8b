"""A heap with known contents whose process then stays in a known state.

usage: live.py idle|select|busy|threads|asyncio|gilhold|gilpause|deadlock|frozen

Writes the census of its heap, then "ready". Afterwards it answers the line "state", except where its state forbids it.
What runs after the census keeps no objects in local variables.
"""
import asyncio
import collections
import gc
import os
import select
import sys
import threading

import oracle


class Leak:
    def __init__(self, number):
        self.payload = bytearray(number)
        self.label = "leak-%d" % number


class Slotted(object):
    __slots__ = ("left", "right", "__weakref__")

    def __init__(self, number):
        self.left = number + 100000
        self.right = None


class Table(dict):
    pass


class Row(list):
    pass


class Word(str):
    pass


class Number(int):
    pass


class Trouble(Exception):
    pass


class Größe:
    pass


class Outer:
    class Inner:
        pass


class Sized:
    """Says something of its own."""

    def __sizeof__(self):
        return 4242


class Meta(type):
    pass


class Made(metaclass=Meta):
    pass


Pair = collections.namedtuple("Pair", "one two")


def generate():
    yield 1
    yield 2


CACHE = {}
for i in range(200):
    CACHE["key-%d" % i] = Leak(i)
SLOTTED = [Slotted(i) for i in range(300)]
for i in range(299):
    SLOTTED[i].right = SLOTTED[i + 1]
TABLES = [Table(zip(range(i), range(1000, 1000 + i))) for i in range(20)]
ROWS = [Row(range(i)) for i in range(30)]
WORDS = [Word("word-%d" % i) for i in range(40)]
NUMBERS = (Number(1 << i) for i in range(50))
NUMBERS = tuple(NUMBERS)
TROUBLES = [Trouble(i) for i in range(6)]
SIZES = {Größe() for i in range(7)}
INNER = [Outer.Inner() for i in range(9)]
SIZED = [Sized() for i in range(3)]
MADE = [Made() for i in range(11)]
PAIRS = [Pair(i, str(i)) for i in range(60)]
GENERATORS = [generate() for i in range(5)]
for i in GENERATORS:
    next(i)
CYCLE = []
CYCLE.append(CYCLE)
del i

TICKS = 0
HELD = threading.Lock()
WANTED = threading.Lock()
PARKED = threading.Event()
REQUEST = b""
READY = b"ready\n"
# Made before the census.
WAIT_FOR = ([0], [], [])
SLEEP, PAUSE = oracle.C.sleep, oracle.C.pause
HOLD, WANT = HELD.acquire, WANTED.acquire


def answer():
    """Answers the request there is; at the end of standard input the program ends."""
    global REQUEST
    REQUEST = os.read(0, 100)
    if not REQUEST:
        os._exit(0)
    REQUEST = b""
    oracle.write("state", dict(oracle.state(), ticks=TICKS))


def asked():
    return bool(select.select([0], [], [], 0)[0])


def idle():
    while True:
        answer()


def selecting():
    while True:
        select.select(*WAIT_FOR)
        answer()


def busy():
    global TICKS
    while True:
        TICKS += 1
        if TICKS % 1000 == 0 and asked():
            answer()


def spin():
    global TICKS
    while True:
        TICKS += 1


def tick():
    global TICKS
    TICKS += 1
    asyncio.get_event_loop().call_later(0.005, tick)


def looping():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.add_reader(0, answer)
    loop.call_soon(tick)
    # Once its descriptors are open.
    loop.call_soon(os.write, 1, READY)
    loop.run_forever()


def gilhold():
    while True:
        SLEEP(1)


def gilpause():
    while True:
        PAUSE()


def wait_forever():
    with WANTED:
        PARKED.set()
        HOLD()


def deadlock():
    WANT()


MODES = {"idle": idle, "select": selecting, "busy": busy, "threads": idle, "asyncio": looping, "gilhold": gilhold,
         "gilpause": gilpause, "deadlock": deadlock, "frozen": idle}


def main():
    oracle.settle()
    if sys.argv[1] == "frozen":
        gc.collect()
        gc.freeze()
    if sys.argv[1] == "deadlock":
        HOLD()
        threading.Thread(target=wait_forever, daemon=True).start()
        PARKED.wait()
    oracle.tell()
    if sys.argv[1] == "threads":
        # After the census: its child would have none of them.
        for function in [spin] * 4:
            threading.Thread(target=function, daemon=True).start()
    if sys.argv[1] != "asyncio":
        os.write(1, READY)
    MODES[sys.argv[1]]()


main()
