"""Numbers, texts, sequences, dicts and sets in all their forms."""
import collections
import ctypes
import os
import sys
import types
import typing
import weakref

from zoo_sections import VERSION, section


@section
def numbers():
    zero, one, minus = 0, 1, -1
    small, below, at, above = -5, 2 ** 30 - 1, 2 ** 30, 2 ** 30 + 1
    minus_digit, two_digits, three_digits = -(2 ** 30), 2 ** 59, 2 ** 60
    large, larger, negative = 2 ** 200, 3 ** 2000, -(2 ** 200)
    true, false = True, False

    class Int(int):
        pass

    class SlottedInt(int):
        __slots__ = ()

    plain_int, filled_int, large_int, zero_int = Int(7), Int(8), Int(2 ** 100), Int(0)
    filled_int.attribute = [1]
    slotted_int, large_slotted_int = SlottedInt(9), SlottedInt(-(2 ** 90))
    pi, nan, infinity, imaginary = 3.14159, float("nan"), float("inf"), complex(1, 2)

    class Float(float):
        pass

    class Complex(complex):
        pass

    plain_float, filled_float, plain_complex = Float(1.5), Float(2.5), Complex(1, 1)
    filled_float.attribute = "one"
    nothing, dots, not_implemented, plain = None, Ellipsis, NotImplemented, object()
    return locals()


@section
def texts():
    empty, one, ascii_text = "", "a", "zoo-" + str(12345)
    long_ascii = "x" * 5000
    latin_one, latin = "\xe9", "gr\xfc\xdfe-" + str(1)
    ucs2, ucs4 = "\u4e2d\u6587" + str(2), "\U0001f40d" + str(3)
    latin_with_utf8 = "'gr\xfc\xdfe %s'" % 4
    ucs2_with_utf8 = "'\u4e2d\u6587 %s'" % 5
    ucs4_with_utf8 = "'\U0001f40d %s'" % 6
    for source in (latin_with_utf8, ucs2_with_utf8, ucs4_with_utf8):
        eval(source)  # keeps the UTF-8 of its source
    hashed, interned = "hash-" + str(7), sys.intern("interned-" + str(8))
    hash(hashed)

    class Str(str):
        pass

    class SlottedStr(str):
        __slots__ = ()

    sub_empty, sub_ascii, sub_latin, sub_ucs2 = Str(), Str("sub-1"), Str("\xe9t\xe9"), Str("\u4e2d\u6587")
    sub_ucs4, filled_sub, slotted_sub = Str("\U0001f40d"), Str("sub-2"), SlottedStr("slotted")
    filled_sub.attribute = 1
    sub_with_utf8 = Str("'\xe9t\xe9'")
    eval(sub_with_utf8)
    if hasattr(ctypes.pythonapi, "PyUnicode_FromUnicode"):
        # Strings of the old kind, with wchar_t in place of or beside the data.
        make, wide = ctypes.pythonapi.PyUnicode_FromUnicode, ctypes.pythonapi.PyUnicode_AsUnicode
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_wchar_p, ctypes.c_ssize_t]
        wide.restype, wide.argtypes = ctypes.c_void_p, [ctypes.py_object]
        not_ready, ascii_and_wide, latin_and_wide = make(None, 5), "wide-" + str(9), "w\xefde-" + str(10)
        ctypes.memset(wide(not_ready), 65, 20)
        ready = make(None, 6)
        ctypes.memmove(wide(ready), "readys".encode("utf-32-le"), 24)
        ready == "x"
        wide(ascii_and_wide), wide(latin_and_wide)
        del make, wide
    no_bytes, one_byte, some_bytes, zeros = b"", b"a", b"some bytes" + str(11).encode(), bytes(3000)

    class Bytes(bytes):
        pass

    plain_sub_bytes, filled_sub_bytes = Bytes(b"sub"), Bytes(b"sub with attribute")
    filled_sub_bytes.attribute = 1
    no_array, some_array, grown, shrunk, cut = bytearray(), bytearray(b"array"), bytearray(), bytearray(10000), bytearray(200)
    for number in range(100):
        grown.append(number)
    del shrunk[5:], cut[:50]

    class Bytearray(bytearray):
        pass

    sub_array = Bytearray(b"sub")
    sub_array.attribute = 1
    exported = bytearray(b"exported")
    export = memoryview(exported)
    return locals()


@section
def sequences():
    no_tuple, one, pair, nested = (), (object(),), (1, 2), (1, (2, ([],)))
    atoms, long_tuple = tuple("ab" + str(1)), tuple(range(1000))
    Point = collections.namedtuple("Point", "x y")
    point, stat, info, tick = Point(1, [2]), os.stat("/"), sys.version_info, __import__("time").gmtime(0)

    class Tuple(tuple):
        pass

    class SlottedTuple(tuple):
        __slots__ = ()

    sub_tuple, filled_tuple, slotted_tuple, no_sub_tuple = Tuple([1, []]), Tuple([2]), SlottedTuple([3, []]), Tuple()
    filled_tuple.attribute = []

    class Typed(typing.NamedTuple):
        name: str
        number: int = 1

    typed = Typed("typed")
    no_list, listed, grown, shrunk = [], [1, 2, 3], [], list(range(1000))
    presized, cleared, reserved = [None] * 37, [1, 2], [1, 2, 3, 4, 5]
    for number in range(70):
        grown.append(number)
    del shrunk[3:], reserved[1:]
    cleared.clear()

    class List(list):
        pass

    class SlottedList(list):
        __slots__ = ("left", "__weakref__")

    class BothList(list):
        __slots__ = ("left", "__dict__")

    sub_list, filled_list, slotted_list, both_list = List([1]), List([2]), SlottedList([3]), BothList([4])
    filled_list.attribute = slotted_list.left = both_list.left = both_list.right = []
    watched = weakref.ref(slotted_list)
    return locals()


@section
def dicts():
    empty, literal, cleared = {}, {"a": 1, "b": []}, {"a": 1}
    cleared.clear()
    many_texts = {"key-%d" % number: number for number in range(500)}
    general, integers, tuples = {"a": 1, 2: [], None: 3}, {number: [] for number in range(100)}, {(1, 2): 3}
    floats, objects = {1.5: 1}, {object(): object()}
    became_general = {"a": 1, "b": 2}
    became_general[3] = []
    holes = {"key-%d" % number: number for number in range(100)}
    for number in range(0, 100, 3):
        del holes["key-%d" % number]
    drained = {number: number for number in range(50)}
    while drained:
        drained.popitem()
    one_left = {number: number for number in range(50)}
    for number in range(49):
        del one_left[number]
    large = {number: None for number in range(70000)}
    large_texts = dict.fromkeys(map(str, range(66000)), "value")
    boundary, over_boundary = dict.fromkeys(range(170)), dict.fromkeys(range(171))
    from_pairs, from_dict, copied = dict([("a", 1), ("b", 2)]), dict(many_texts), holes.copy()
    from_keys, merged = dict.fromkeys("abc", []), dict(literal, c=3)
    words = (lambda **words: words)(left=1, right=[])

    class Text(str):
        pass

    text_keys, sizes = {Text("a"): 1}, [dict.fromkeys("k%d" % i for i in range(count)) for count in range(24)]

    class Dict(dict):
        pass

    class SlottedDict(dict):
        __slots__ = ("left",)

    sub_dict, filled_dict, slotted_dict = Dict(a=1), Dict(b=2), SlottedDict({1: 2})
    filled_dict.attribute = slotted_dict.left = []

    class Missing(dict):
        def __missing__(self, key):
            return key

    missing = Missing({"a": []})
    default, default_list, counter = collections.defaultdict(), collections.defaultdict(list), collections.Counter("hello")
    default_list["a"].append(1)
    chain, user_dict, user_list = collections.ChainMap(literal, general), collections.UserDict(a=1), collections.UserList([1])
    ordered, no_ordered = collections.OrderedDict([("a", 1), ("b", []), (3, 4)]), collections.OrderedDict()
    filled_ordered, moved = collections.OrderedDict(a=1), collections.OrderedDict.fromkeys(range(100))
    filled_ordered.attribute = [1]
    for number in range(0, 100, 7):
        del moved[number]
        moved.move_to_end(50)

    class Ordered(collections.OrderedDict):
        pass

    class DefaultDict(collections.defaultdict):
        pass

    sub_ordered, filled_sub_ordered, sub_default = Ordered(a=1), Ordered(b=2), DefaultDict(list)
    filled_sub_ordered.attribute = [2]
    sub_default.attribute = 1
    views = [literal.keys(), literal.values(), literal.items(), ordered.keys(), ordered.items()]
    iterators = [iter(literal), iter(literal.values()), iter(literal.items()), iter(ordered), iter(ordered.items())]
    for iterator in iterators:
        next(iterator)
    proxy = types.MappingProxyType(literal)
    if VERSION >= (3, 8):
        backwards = [reversed(literal), reversed(literal.items())]
    return locals()


@section
def sets():
    empty, five, cleared, thousand = set(), {1, 2, 3, 4, 5}, {1, 2}, set(range(1000))
    eight, texts, objects = set(range(8)), set("key-%d" % i for i in range(30)), {(1, 2), None, 1.5}
    cleared.clear()
    discarded = set(range(100))
    for number in range(0, 100, 2):
        discarded.discard(number)
    popped = set(range(20))
    while popped:
        popped.pop()
    frozen, no_frozen, large_frozen = frozenset([1, "a"]), frozenset(), frozenset(range(70))

    class Set(set):
        pass

    class Frozen(frozenset):
        pass

    class SlottedSet(set):
        __slots__ = ("left",)

    sub, filled_sub, sub_frozen, slotted = Set([1]), Set(range(9)), Frozen([2]), SlottedSet([3])
    filled_sub.attribute = sub_frozen.attribute = slotted.left = []
    watched, growing, iterator = weakref.ref(five), [set(range(count)) for count in range(24)], iter(five)
    next(iterator)
    return locals()


@section
def deques():
    Deque = collections.deque
    empty, one, bounded, no_room = Deque(), Deque([1]), Deque(range(100), 10), Deque([1], 0)
    lengths = [Deque(range(count)) for count in (63, 64, 65, 127, 128, 129, 200)]
    rotated, left, taken = Deque(range(200)), Deque(), Deque(range(200))
    rotated.rotate(77)
    for number in range(100):
        left.appendleft(number)
        taken.popleft()
    drained = Deque(range(70))
    while drained:
        drained.pop()

    class Dq(Deque):
        pass

    sub, filled_sub = Dq([1]), Dq([2], 5)
    filled_sub.attribute = []
    watch, iterator, backwards = weakref.ref(one), iter(rotated), reversed(rotated)
    next(iterator), next(backwards)
    return locals()
