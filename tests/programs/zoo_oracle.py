"""What a process says of some of its objects: address, type, size and referents of each.

Written by a child made by C's fork(), an exact copy with the same addresses: what the listing makes, and what looking
at an object changes, is there and not in the target.

A JSON object of each: `name` (of the zoo, and by which referents it was reached), `address`, `type`, `kind` (the address
of the type), `size` (null where `__sizeof__` is written in Python), `referents` (by `gc.get_referents`), and `hidden`,
what the object refers to without visiting it: keys of dicts, values which 3.13 keeps in the instance, what code objects
keep.
"""
import gc
import os
import sys

import oracle

STEPS, MOST, MOST_OF_ONE = 3, 20000, 60
METHOD = type(object.__dict__["__sizeof__"])
module_of, qualname_of = type.__dict__["__module__"].__get__, type.__dict__["__qualname__"].__get__
mro_of, dict_of = type.__dict__["__mro__"].__get__, type.__dict__["__dict__"].__get__


def name_of(kind):
    try:
        module = module_of(kind)
    except AttributeError:
        module = None
    return (module if type(module) is str else "?") + "." + qualname_of(kind)


def hidden_of(thing):
    kind = type(thing)
    if dict in mro_of(kind):
        return list(map(id, dict.keys(thing))) + list(map(id, dict.values(thing)))
    if kind is oracle.CODE:
        return [id(getattr(thing, name)) for name in oracle.KEPT_BY_CODE]
    return []


def size_of(thing):
    size = sys.getsizeof(thing)  # first: it makes the type ready
    for base in mro_of(type(thing)):
        method = dict_of(base).get("__sizeof__")
        if method is not None:
            return size if type(method) is METHOD else None


def some(parts):
    """Neither of a large container nor of a list of the same is everything worth a look."""
    if len(parts) <= MOST_OF_ONE:
        return parts
    return parts[:MOST_OF_ONE // 2] + parts[-(MOST_OF_ONE // 2):]


def listing(zoo):
    """(name, thing, size, referents) of each, those of the zoo first."""
    seen, rows = {id(zoo)}, []
    layer = list(zoo.items())
    for step in range(STEPS + 1):
        following = []
        for name, thing in layer:
            if id(thing) in seen:
                continue
            if len(rows) == MOST:
                return rows
            seen.add(id(thing))
            size = size_of(thing)  # while nobody else refers to its parts: a BytesIO counts its bytes only then
            referents = gc.get_referents(thing)
            rows.append((name, thing, size, referents))
            following.extend((name + "/%d" % place, part) for place, part in enumerate(some(referents)))
        layer = following
    return rows


def said(name, thing, size, referents):
    kind = type(thing)
    return {"name": name, "address": id(thing), "type": name_of(kind), "kind": id(kind), "size": size,
            "referents": list(map(id, referents)), "hidden": hidden_of(thing)}


def settle(zoo):
    """Has done what is done once: types of extension modules are made ready when somebody first asks for a size."""
    listing(zoo)
    for codec in ("ascii", "latin-1", "utf-8", "utf8", "utf_8"):
        "".encode(codec)


def tell(zoo):
    """Writes it all on standard output."""
    settle(zoo)
    child = oracle.FORK()
    if child == 0:
        code = 1
        try:
            oracle.write("oracle", [said(*row) for row in listing(zoo)])
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        os._exit(1)
