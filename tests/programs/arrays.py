"""Arrays of numpy and tables of pandas, in every form that keeps memory in another way; then waits.

Says of each its address, type, size, and what it must refer to: numpy has no `tp_traverse`, so nobody else can tell. Of a
table it says which arrays must be reachable from it.
"""
import array
import os
import sys
import tempfile

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy
import pandas

import oracle


class Thing:
    pass


class Array(numpy.ndarray):
    """With attributes."""


class Slotted(numpy.ndarray):
    __slots__ = ("slot",)


THINGS = [Thing() for _ in range(6)]
ZOO = {}
# What each refers to, beside its dtype.
REFERENTS = {}


def keep(name, thing, *referents):
    ZOO[name] = thing
    REFERENTS[name] = list(referents)
    return thing


def arrays():
    owner = keep("owner", numpy.arange(1000))
    keep("view", owner[10:20], owner)
    keep("view of a view", owner[10:20][::2], owner)
    keep("reshaped", owner.reshape(10, 100), owner)
    keep("transposed", owner.reshape(10, 100).T, owner)
    keep("copy", owner[::3].copy())
    keep("of no dimension", numpy.array(7.5))
    keep("empty", numpy.empty(0))
    keep("of five dimensions", numpy.zeros((2, 3, 4, 5, 6), dtype=numpy.float32))
    keep("in Fortran's order", numpy.asfortranarray(numpy.ones((20, 30))))
    keep("broadcast", numpy.broadcast_to(owner, (5, 1000)), owner)
    content, other = b"0123456789abcdef", array.array("d", range(50))
    keep("of bytes", numpy.frombuffer(content, dtype=numpy.uint8), content)
    keep("of an array", numpy.frombuffer(other))
    for kind in ("?", "i1", "u2", "f2", "f8", "g", "c16", "S7", "U9", "M8[ns]", "m8[D]", "V5"):
        keep("of " + kind, numpy.zeros(33, dtype=kind))


def objects():
    owner = keep("objects", numpy.array(THINGS[:4]), *THINGS[:4])
    keep("view of objects", owner[1:3], owner)
    table = numpy.empty((2, 3), dtype=object)
    table[0, 0], table[1, 2] = THINGS[4], THINGS[5]
    keep("table of objects", table, THINGS[4], THINGS[5])
    keep("of objects of no dimension", numpy.array(THINGS[0], dtype=object), THINGS[0])


def classes():
    plain = keep("subclass", numpy.zeros(20).view(Array))
    plain.thing = THINGS[0]
    slotted = keep("subclass with slots", numpy.zeros(30).view(Slotted), THINGS[1])
    slotted.slot = THINGS[1]
    masked = keep("masked", numpy.ma.array(numpy.arange(40), mask=numpy.arange(40) % 2 == 0))
    keep("mask", masked.mask)
    records = numpy.dtype([("x", "i4"), ("name", "U5"), ("inner", [("y", "f8", (2, 2))])])
    keep("records", numpy.zeros(25, dtype=records), records)
    keep("field", ZOO["records"]["x"], ZOO["records"])
    keep("recarray", numpy.zeros(5, dtype=records).view(numpy.recarray))
    keep("matrix", numpy.matrix("1 2; 3 4"))
    with tempfile.TemporaryFile() as file:
        mapped = keep("memmap", numpy.memmap(file, dtype="f4", mode="w+", shape=(64, 64)))
    keep("view of a memmap", mapped[3:5], mapped)
    for scalar in (numpy.bool_(1), numpy.int8(1), numpy.uint16(1), numpy.float32(1), numpy.float64(1),
                   numpy.longdouble(1), numpy.complex128(1), numpy.datetime64(1, "s"), numpy.timedelta64(1, "D")):
        keep("scalar of " + str(scalar.dtype), scalar)


def arrays_in(table):
    """What the blocks of a table have their data in."""
    for block in table._mgr.blocks:
        values = block.values
        for name in ("_ndarray", "_data", "_mask", "_codes"):
            part = getattr(values, name, None)
            if isinstance(part, numpy.ndarray):
                yield part
        if isinstance(values, numpy.ndarray):
            yield values


def tables():
    table = pandas.DataFrame({
        "whole": range(300),
        "real": numpy.linspace(0, 1, 300),
        "truth": [True, False] * 150,
        "thing": [THINGS[i % 6] for i in range(300)],
        "moment": pandas.date_range("2024-01-01", periods=300),
        "kind": pandas.Categorical(["one", "two", "three"] * 100),
        "maybe": pandas.array([1, None, 3] * 100, dtype="Int64"),
    })
    table.index = pandas.MultiIndex.from_product([range(30), list("abcdefghij")])
    keep("table", table)
    keep("column", table["real"])
    keep("part", table.iloc[5:50])
    return {name: [id(part) for part in arrays_in(ZOO[name])] + [id(thing) for thing in THINGS[:extra]]
            for name, extra in (("table", 6), ("column", 0), ("part", 6))}


def main():
    for make in (arrays, objects, classes):
        make()
    reached = tables()
    oracle.write("oracle", [
        {"name": name, "address": id(thing), "type": oracle.name_of(type(thing)),
         "size": sys.getsizeof(thing) if isinstance(thing, (numpy.ndarray, numpy.generic)) else None,
         "referents": [id(part) for part in REFERENTS[name]], "reached": reached.get(name, [])}
        for name, thing in ZOO.items()])
    os.write(1, b"ready\n")
    os.read(0, 1)


main()
