"""A cache that grows by a hundred entries for every line on standard input."""
import sys


class Entry:
    def __init__(self, number):
        self.payload = bytearray(100)
        self.number = number


CACHE = {}


def grow():
    for _ in range(100):
        CACHE["entry-%d" % len(CACHE)] = Entry(len(CACHE))


while True:
    grow()
    print("ready", flush=True)
    if not sys.stdin.readline():
        break
