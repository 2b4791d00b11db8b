#!/usr/bin/env python3
"""The program that is measured upon: a heap of about N objects of all kinds, and two watchers of what is done to it.

    target.py N --watch FILE [--mode idle|busy]

Runs on CPython 3.6 and later with nothing but the standard library. When the heap stands it prints one line of JSON
(pid, version, objects tracked by the collector); then the main thread sleeps (idle) or computes (busy) until killed.

A heartbeat thread wakes every millisecond and keeps the longest time between two of its beats; so does the main
thread, when busy, between two rounds of its work. Both stand in FILE, which is mapped, so that looking costs the
target nothing: eight signed 64 bit integers in the machine's byte order,

    0 epoch wanted (written by the observer: "forget what was")     1 epoch of the heartbeat's numbers
    2 longest gap between beats, ns    3 beats    4 time of the last beat, CLOCK_MONOTONIC ns
    5 epoch of the main thread's numbers    6 its longest gap between rounds, ns    7 rounds

Not for correctness: what an analysis should find here is not counted.
"""
import argparse
import collections
import gc
import json
import mmap
import os
import struct
import sys
import threading
import time

SLOTS = 8
BEAT_SECONDS = 0.001
# What one record of `fill` amounts to: the bulk of the heap is made of these.
OBJECTS_PER_RECORD = 40


def now_ns():
    # time.monotonic_ns is of 3.7; microseconds are enough here.
    return int(time.monotonic() * 1e9)


# The heap ------------------------------------------------------------------------------------------------------------

class Station(object):
    """Has a __dict__, and is in cycles with its trips."""

    def __init__(self, code, name):
        self.code = code
        self.name = name
        self.trips = []


class Trip(object):
    def __init__(self, number, label, fare, stops, details, origin):
        self.number = number
        self.label = label
        self.fare = fare
        self.stops = stops
        self.details = details
        self.origin = origin


class Fix(object):
    """Has slots, as what there are many of should."""
    __slots__ = ("latitude", "longitude", "at", "trip")

    def __init__(self, latitude, longitude, at, trip):
        self.latitude = latitude
        self.longitude = longitude
        self.at = at
        self.trip = trip


class Ticket(object):
    """What leaks."""

    def __init__(self, key, image, station):
        self.key = key
        self.image = image
        self.station = station


class Link(object):
    __slots__ = ("value", "next")


SOLD = {}       # the leak: no ticket is ever removed
NETWORK = {}    # all else


def countdown(start):
    while start:
        yield start
        start -= 1


def discount(percent):
    def apply(fare):
        return fare * (100 - percent) / 100
    return apply


def fill(wanted):
    """About `wanted` objects into SOLD and NETWORK, the same on every run."""
    trips, stations, fixes, log, oddities = [], [], [], [], []
    NETWORK.update(trips=trips, stations=stations, fixes=fixes, log=log, oddities=oddities)
    state = 2463534242
    for i in range(max(1, wanted // OBJECTS_PER_RECORD)):
        state ^= (state << 13) & 0xFFFFFFFF        # xorshift: repeatable, and the same on every version
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        unique = 4096 + i * 20                     # ints beyond the cached small ones
        if i % 8 == 0:
            station = Station(unique, "station %d" % i)
            stations.append(station)
        stops = ["stop %d/%d" % (i, state % 89), "platform %d" % (state % 1013), unique + 1]
        details = {"operator": "operator %d" % (state % 4999), "delay": i * 0.25,
                   "scan": bytes(bytearray(24 + state % 110)),
                   "size": (unique + 2, unique + 3, (unique + 4, "unit %d" % i))}
        trip = Trip(unique + 5, "trip %d %08x" % (i, state), i * 1.5, stops, details, station)
        station.trips.append(trip)
        trips.append(trip)
        fixes.append(Fix(i * 0.5, i * -0.5, unique + 6, trip))
        fixes.append(Fix(i * 0.125, None, unique + 7, None))
        log.append({"number": unique + 8, "what": "entry %d" % (state % 3989),
                    "with": [unique + 9, unique + 10, ["y%d" % i, {"z": unique + 11}]],
                    "about": {unique + 12, "w %d" % i}})
        if i % 4 == 0:
            key = "ticket %08d %d" % (i, state)
            SOLD[key] = Ticket(key, bytes(bytearray(80 + state % 420)), station)
        if i % 64 == 0:
            running = countdown(unique)
            next(running)
            oddities.extend([running, discount(unique), lambda fare, off=unique: fare - off])
            oddities.append(frozenset([unique, "f%d" % i]))
        if i % 512 == 0:
            oddities.append(bytearray(4096))
    chain = None
    for i in range(max(10, min(5000, wanted // 200))):
        link = Link()
        link.value, link.next = i, chain
        chain = link
    NETWORK["chain"] = chain
    NETWORK["by label"] = {trip.label: trip for trip in trips[::4]}
    NETWORK["map"] = bytes(bytearray(1 << 20))
    NETWORK["wide"] = tuple(range(1 << 20, (1 << 20) + max(100, wanted // 100)))


# The watchers --------------------------------------------------------------------------------------------------------

def mapped(path):
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 8 * SLOTS)


def wanted_epoch(watch):
    return struct.unpack_from("q", watch, 0)[0]


def heartbeat(watch):
    epoch, longest, beats = -1, 0, 0
    last = now_ns()
    while True:
        time.sleep(BEAT_SECONDS)
        now = now_ns()
        gap, last = now - last, now
        if wanted_epoch(watch) != epoch:
            epoch, longest, beats = wanted_epoch(watch), 0, 0
        else:
            longest, beats = max(longest, gap), beats + 1
        struct.pack_into("4q", watch, 8, epoch, longest, beats, now)


def compute():
    """Some of everything Python does all day."""
    kept = collections.OrderedDict()
    for i in range(60):
        fix = Fix(i, -i, i * 2, None)
        kept["k%d" % (i % 13)] = (fix, sorted([(i * 5 + j) % 11 for j in range(8)], key=lambda v: -v))
    return kept


def busy(watch):
    epoch, longest, rounds = -1, 0, 0
    last = now_ns()
    while True:
        compute()
        now = now_ns()
        gap, last = now - last, now
        if wanted_epoch(watch) != epoch:
            epoch, longest, rounds = wanted_epoch(watch), 0, 0
        else:
            longest, rounds = max(longest, gap), rounds + 1
        struct.pack_into("3q", watch, 40, epoch, longest, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("objects", type=int)
    parser.add_argument("--watch", required=True, help="a file of %d bytes" % (8 * SLOTS))
    parser.add_argument("--mode", choices=("idle", "busy"), default="idle")
    options = parser.parse_args()
    fill(options.objects)
    gc.collect()
    watch = mapped(options.watch)
    thread = threading.Thread(target=heartbeat, args=(watch,), name="heartbeat")
    thread.daemon = True
    thread.start()
    print(json.dumps({"pid": os.getpid(), "python": sys.version.split()[0], "tracked": len(gc.get_objects())}))
    sys.stdout.flush()
    if options.mode == "busy":
        busy(watch)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
