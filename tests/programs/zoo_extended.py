"""Subclasses of built-in types that are written in C and add words of their own behind the base's struct, as Cython makes them.

Made by `PyType_FromSpecWithBases`; they inherit `tp_traverse`, so only who looks knows what the words behind are.
"""
import collections
import ctypes
import datetime

from zoo_sections import section

BASETYPE, VERSION_TAG = 1 << 10, 1 << 18
WORDS = 2
# The specifications, which their types go on referring to.
KEPT = []


class Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("basicsize", ctypes.c_int), ("itemsize", ctypes.c_int),
                ("flags", ctypes.c_uint), ("slots", ctypes.POINTER(Slot))]


def extended(base):
    """A subclass of `base` with two words more."""
    make = ctypes.pythonapi.PyType_FromSpecWithBases
    make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(Spec), ctypes.py_object]
    name = "zoo_extended.Extended%s" % base.__name__.title()
    size = base.__basicsize__ + WORDS * ctypes.sizeof(ctypes.c_void_p)
    spec = Spec(name.encode(), size, 0, BASETYPE | VERSION_TAG, (Slot * 1)())
    KEPT.append(spec)
    return make(ctypes.byref(spec), (base,))


@section
def behind():
    """Of each an object, and what is behind it, which is named like it."""
    made = {}
    for base, content in [(dict, {"a": [1], "b": [2]}), (list, [[3], [4]]), (set, {"c", ("d",)}),
                          (collections.deque, [[5], [6]]), (collections.OrderedDict, {"e": [7]}),
                          (collections.defaultdict, None), (Exception, "text"), (str, "caf\xe9")]:
        thing = extended(base)(*[content])
        kept = ["behind", base.__name__]
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        ctypes.c_void_p.from_address(id(thing) + base.__basicsize__).value = id(kept)
        made[base.__name__] = thing
        # Types without the collector's interest are not looked into.
        if base is not str:
            made[base.__name__ + "/behind"] = kept
    # Of a datetime, `tp_alloc` makes as much as a datetime needs; a class in Python has another one.
    class Moment(extended(datetime.datetime)):
        pass
    made["moment"] = Moment(2026, 1, 2, tzinfo=datetime.timezone.utc)
    made["moment_nowhere"] = Moment(2026, 1, 2)

    class Cached(extended(dict)):
        pass
    cached = Cached(f=[8])
    cached.attribute = [9]
    made["cached"] = cached
    return made
