"""Memory that holds nothing, of every kind, and beside each what looks like it. What would be saved is measured here, on the
copies and the classes that would take its place."""
import array
import collections
import gc
import json
import sys
import warnings

size = sys.getsizeof
MATERIALIZED = sys.version_info >= (3, 11)


def legacy(text, ready):
    """A str of old, whose characters are somewhere else: of two that are equal, one for each way."""
    import ctypes
    # It is going to be taken away, and is.
    warnings.simplefilter("ignore")
    make = ctypes.pythonapi.PyUnicode_FromUnicode
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_wchar_p, ctypes.c_ssize_t]
    # With no text to copy it is filled afterwards, and not made ready.
    made = make(None, len(text))
    fill = ctypes.pythonapi.PyUnicode_AsUnicode
    fill.restype, fill.argtypes = ctypes.c_void_p, [ctypes.py_object]
    ctypes.memmove(fill(made), ctypes.c_wchar_p(text), 4 * len(text))
    if ready:
        hash(made)
    return made


# Texts. Each call makes another object.
TEXTS = {
    "ascii": [chr(97) * 3000 for _ in range(50)],
    "latin": [chr(233) * 3100 for _ in range(40)],
    "two bytes": [chr(0x416) * 3200 for _ in range(30)],
    "four bytes": [chr(0x1f600) * 3300 for _ in range(20)],
    "several pieces": [chr(98) * 9000 for _ in range(3)],
    "bytes": [bytes(bytearray([97]) * 3000) for _ in range(10)],
    "with utf-8": [chr(0x417) * 3400 for _ in range(8)],
}
# One of them is larger than the others.
TEXTS["with utf-8"][3].isidentifier()
sys.intern(TEXTS["ascii"][7])
if (3, 6) <= sys.version_info < (3, 12):
    TEXTS["legacy"] = [legacy(chr(0x418) * 3500, True) for _ in range(5)]
    UNREADY = [legacy(chr(0x419) * 3600, False) for _ in range(5)]
# Alike but for the end, or the type.
APART = [chr(99) * 20000 + str(number) for number in range(100, 150)]
APART_BYTES = [b"c" * 20000 + str(number).encode() for number in range(100, 150)]


class Derived(str):
    pass


DERIVED = [Derived(chr(100) * 30000) for _ in range(30)]


def shrunk(container, left):
    while len(container) > left:
        container.pop()
    return container


# Containers with room. The largest of each type is ours.
class Loose(object):
    pass


def loosened(last):
    loose = Loose()
    for number in range(200):
        setattr(loose, "a%d" % number, None)
    for number in range(last, 200):
        delattr(loose, "a%d" % number)
    return loose


def emptied(items, left):
    for key in sorted(items)[left:]:
        del items[key]
    return items


NAMED = {
    "builtins.dict": emptied({"k%06d" % number: number for number in range(100000)}, 3),
    "builtins.list": [None] * 7,
    "builtins.set": shrunk(set(range(100000)), 9),
    "builtins.frozenset": frozenset(iter(range(40000, 40350))),
    "collections.defaultdict": emptied(collections.defaultdict(list, {number: 0 for number in range(20000)}), 21),
}
for _ in range(100000):
    NAMED["builtins.list"].append(None)
# A list gives room back when it uses less than half of it.
del NAMED["builtins.list"][60000:]
LOOSE = [loosened(last) for last in (0, 1, 5, 20, 30)]
COPIES = {"builtins.dict": dict, "builtins.list": list, "builtins.set": set,
          "builtins.frozenset": lambda old: frozenset(set(old)),
          "collections.defaultdict": lambda old: collections.defaultdict(old.default_factory, old)}


def sparse():
    found = {name: [id(old), size(old) - size(COPIES[name](old))] for name, old in NAMED.items()}
    spare = [(size(loose.__dict__) - size(dict(loose.__dict__))) for loose in LOOSE if loose.__dict__]
    found["dict of __main__.Loose"] = [sum(spare), max(spare)]
    return found


# Nothing in them.
EMPTY = [make() for make in (list, dict, set, collections.deque, collections.OrderedDict, collections.Counter)
         for _ in range(1000)]


def empties(kind):
    return sum(1 for item in gc.get_objects() if type(item) is kind and not item)


# Numbers.
SHARED = [number + 0.5 for number in range(500)]
FLOATS = [number + 0.25 for number in range(10000)] + SHARED
AGAIN = (SHARED, SHARED[0])
INTS = tuple(2 ** 31 + number for number in range(3000))
SHORT = [number * 7 for number in range(5000)]
LARGE = [2 ** 64 + number for number in range(2000)]
MIXED = [number + 0.75 for number in range(2000)] + [True]


def is_small(number):
    """Whether the interpreter has it for itself."""
    return int(str(number)) is int(str(number))


def boxed(numbers, code, own):
    return sum(map(size, own)) + size(numbers) - size(array.array(code, numbers))


# Instances.
class Plain(object):
    def __init__(self, number):
        self.x, self.y, self.z = number, number, number


class Slotted(object):
    __slots__ = ("x", "y", "z", "__weakref__")


class Asked(Plain):
    """Its dicts are made, in every version."""


class Failure(Exception):
    """Its dict is that of the exceptions."""
    def __init__(self, number):
        self.x = number


class Unlike(Plain):
    """Each has another attribute: the slots would take more than the dicts."""


class Odd(Plain):
    """Has what cannot be a slot."""


PLAIN = [Plain(None) for _ in range(600)]
ASKED = [Asked(None) for _ in range(500)]
FAILURES = [Failure(None) for _ in range(400)]
UNLIKE = [Unlike(None) for _ in range(300)]
ODD = [Odd(None) for _ in range(200)]
for number, unlike in enumerate(UNLIKE):
    setattr(unlike, "a%d" % number, None)
for item in ASKED + FAILURES + UNLIKE + ODD:
    item.__dict__
ODD[3].__dict__["not a name"] = None
# Somebody has one.
HELD = ASKED[7].__dict__


def slots(items):
    slotted = size(Slotted())
    return sum(size(item) + size(item.__dict__) - slotted for item in items)


def texts():
    found = []
    for same in TEXTS.values():
        assert len(set(same)) == 1 and len(set(map(id, same))) == len(same)
        sizes = list(map(size, same))
        found.append(["builtins." + type(same[0]).__name__, len(same), sum(sizes), sum(sizes) - max(sizes)])
    return found


held = (size(ASKED[7]) - size(Slotted()) if not MATERIALIZED else 0)
oracle = {
    "texts": texts(),
    "sparse": sparse(),
    "empty": {"collections.deque": [1000, size(collections.deque())],
              "collections.OrderedDict": [1000, size(collections.OrderedDict())],
              "collections.Counter": [1000, size(collections.Counter())]},
    "empty lists": empties(list),
    "boxed": {"builtins.list of builtins.float": boxed(FLOATS, "d", FLOATS[:10000]),
              "builtins.tuple of builtins.int": boxed(INTS, "q", INTS)},
    "boxed short": boxed(SHORT, "q", [number for number in SHORT if not is_small(number)]),
    "small ints": sum(map(is_small, range(-1000, 5000))),
    "asked": slots(ASKED[:7] + ASKED[8:]) - 24,
    "plain": 0 if MATERIALIZED else slots(PLAIN),
}
print("oracle " + json.dumps(oracle))
print("ready")
sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
    print(line.strip() + " {}")
    sys.stdout.flush()
