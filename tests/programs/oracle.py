"""What a Python process says of its own heap, by ways of its own: the truth that reports are compared with.

The census is taken in a child made by C's fork(), so without any of Python's handlers: an exact copy, in which counting
disturbs nobody. It is: all objects of the collector, and all that is reachable from them through `gc.get_referents`, the
keys of dicts (which dicts with str keys do not visit), the types, the code that runs, and the objects that code objects,
static types and the zones and times of datetime keep (which visit nothing). Left out is what the census itself makes.
"""
import ctypes
import gc
import json
import os
import sys

C = ctypes.PyDLL(None)  # keeps the GIL: in the child nobody else could give it back
FORK = C.fork
CODE = type(json.dumps.__code__)
KEPT_BY_CODE = [
    name
    for name in ("co_code co_consts co_names co_varnames co_freevars co_cellvars co_filename co_name co_qualname "
                 "co_lnotab co_linetable co_exceptiontable").split()
    if type(CODE.__dict__.get(name)).__name__ == "member_descriptor"
]

# From 3.14 on these types are there before anybody imports their module.
CLOCKS = "datetime", "time", "timezone"

# The last is a view, of a dict.
KEPT_BY_STATIC_TYPES = "__base__", "__bases__", "__mro__", "__dict__"


def name_of(kind):
    return kind.__module__ + "." + kind.__qualname__


def census():
    """{type: [count, bytes]} of this process."""
    own = sys._getframe()
    stack = gc.get_objects()
    types = {}
    names = {}
    seen = set()
    seen.update([id(own), id(stack), id(types), id(names), id(seen)])
    frame = own
    while frame is not None:
        stack.append(frame.f_code)
        frame = frame.f_back
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        kind = type(thing)
        row = types.get(kind)
        if row is None:
            row = types[kind] = [0, 0]
            seen.add(id(row))
            stack.append(kind)
        row[0] += 1
        row[1] += sys.getsizeof(thing)
        stack.extend(gc.get_referents(thing))
        if dict in kind.__mro__:
            stack.extend(dict.keys(thing))
        elif kind is CODE:
            for name in KEPT_BY_CODE:
                stack.append(getattr(thing, name))
        elif kind.__name__ in CLOCKS and kind.__module__ == "datetime":
            stack.extend(thing.__getinitargs__() if kind.__name__ == "timezone" else [thing.tzinfo])
        elif type in kind.__mro__ and not gc.get_referents(thing):
            for name in KEPT_BY_STATIC_TYPES:
                stack.append(type.__dict__[name].__get__(thing))
            stack.extend(gc.get_referents(stack.pop()))
    for kind, row in types.items():
        known = names.setdefault(name_of(kind), [0, 0])
        known[0] += row[0]
        known[1] += row[1]
    return names


def write(tag, value):
    text = (tag + " " + json.dumps(value) + "\n").encode()
    while text:
        text = text[os.write(1, text):]


def tell():
    """Writes the census on standard output."""
    gc.collect()
    if FORK() == 0:
        gc.disable()
        if hasattr(gc, "unfreeze"):
            gc.unfreeze()
        write("oracle", census())
        os._exit(0)
    os.wait()


def settle():
    """Has done what is done once: types of extension modules are made ready when somebody first asks for the size of one of
    their objects, codecs are looked up when a debug build first checks the name of one. Both make objects."""
    census()
    for codec in ("ascii", "latin-1", "utf-8", "utf8", "utf_8"):
        "".encode(codec)


def state():
    """What an analysis must leave as it was."""
    return {
        "objects": len(gc.get_objects()),
        "modules": sorted(sys.modules),
        "path": sys.path,
        "main": sorted(vars(sys.modules["__main__"])),
        "collections": [generation["collections"] for generation in gc.get_stats()],
        "enabled": gc.isenabled(),
        "frozen": gc.get_freeze_count() if hasattr(gc, "get_freeze_count") else 0,
        "trace": repr(sys.gettrace()) + repr(sys.getprofile()),
    }
