"""Instances, classes, exceptions and weak references."""
import enum
import functools
import threading
import typing
import weakref
from abc import ABC, abstractmethod

from zoo_sections import VERSION, lines, section


@section
def instances():
    class Plain:
        pass

    bare, filled, opened = Plain(), Plain(), Plain()
    filled.one, filled.two = 1, []
    opened.one, opened.two = 1, []
    opened_dict = opened.__dict__
    deleted, all_deleted, odd, replaced, many = Plain(), Plain(), Plain(), Plain(), [Plain() for _ in range(20)]
    deleted.one = deleted.two = 1
    del deleted.one
    all_deleted.one = 1
    del all_deleted.one
    odd.__dict__[1] = []
    odd.two = 2
    replaced.__dict__ = {"one": [], "two": 2}
    for number, each in enumerate(many):
        each.one, each.two = number, str(number)
    other_order = Plain()
    other_order.two, other_order.one = 1, []
    shared_dict = Plain()
    shared_dict.__dict__ = opened.__dict__

    class Wide:
        def __init__(self):
            for number in range(35):
                setattr(self, "attribute_%d" % number, [])

    wide, other_wide, opened_wide = Wide(), Wide(), Wide()
    opened_wide_dict = vars(opened_wide)

    class Slots:
        __slots__ = ("left", "right")

    class SlotsDict:
        __slots__ = ("left", "__dict__")

    class SlotsWeak:
        __slots__ = ("left", "__weakref__")

    class SlotsBoth(SlotsWeak):
        __slots__ = ("right", "__dict__")

    class Nothing:
        __slots__ = ()

    class Below(Slots):
        pass

    class SlotsBelow(Slots):
        __slots__ = ("middle",)

    slots, no_slots, slots_dict, slots_weak = Slots(), Slots(), SlotsDict(), SlotsWeak()
    slots_both, nothing, below, slots_below = SlotsBoth(), Nothing(), Below(), SlotsBelow()
    slots.left = slots_dict.left = slots_weak.left = slots_both.left = slots_both.right = below.left = slots_below.left = []
    slots_dict.more = slots_both.more = below.more = slots_below.middle = [1]
    watched = Plain()
    watched.one = 1
    watches = [weakref.ref(watched), weakref.ref(slots_weak), weakref.ref(slots_both)]

    class Deep(Plain):
        pass

    for number in range(20):
        Deep = type("Deep%d" % number, (Deep,), {"level": number})
    deep = Deep()
    deep.one = []

    class Mixed(Plain, SlotsWeak):
        pass

    mixed = Mixed()
    mixed.left = mixed.one = []

    class Sized:
        def __sizeof__(self):
            return 4242

    class Silent:
        def __getattribute__(self, name):
            raise RuntimeError

        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    sized, silent, loop = Sized(), Silent(), Plain()
    loop.itself = loop
    return locals()


@section
def classes():
    class Meta(type):
        def __len__(cls):
            return 1

    class MetaBelow(Meta):
        __slots__ = ()

    class Made(metaclass=Meta):
        field = []

    class MadeBelow(Made, metaclass=MetaBelow):
        pass

    Made.added = [1]
    made = Made()
    Methods = type("Methods", (), {"method_%d" % number: lambda self: None for number in range(100)})
    methods = Methods()

    class Color(enum.Enum):
        RED = 1
        GREEN = [2]

    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 2

    class Bits(enum.Flag):
        A = 1
        B = 2

    red, low, bits = Color.RED, Level.LOW, Bits.A | Bits.B

    class Base(ABC):
        @abstractmethod
        def method(self):
            pass

    class Real(Base):
        def method(self):
            return __class__

        @property
        def prop(self):
            """Its docstring."""
            return 1

        @staticmethod
        def static(one, *, two=2):
            pass

        @classmethod
        def on_class(cls):
            pass

    Base.register(list)
    isinstance(3, Base), isinstance([], Base)
    real, prop, static, on_class = Real(), Real.__dict__["prop"], Real.__dict__["static"], Real.__dict__["on_class"]
    bound, bound_class, unbound, sup = real.method, Real.on_class, Real.method, super(Real, real)
    property_with_all = property(lambda self: 1, lambda self, value: None, lambda self: None, "doc")
    descriptors = [list.__dict__["append"], list.__dict__["__len__"], type.__dict__["__dict__"], dict.__dict__["fromkeys"],
                   slice.__dict__["start"], [].append, [].__len__, len, {}.fromkeys]
    T = typing.TypeVar("T", bound=int)
    Two = typing.TypeVar("Two", int, str)

    class Generic(typing.Generic[T]):
        pass

    generic, alias, nested = Generic(), typing.List[int], typing.Dict[str, typing.Optional[typing.Tuple[int, ...]]]
    new_type, call = typing.NewType("New", int), typing.Callable[[int], str]
    if VERSION >= (3, 7):
        import dataclasses

        @dataclasses.dataclass
        class Data:
            name: str
            items: list = dataclasses.field(default_factory=list)

        data = Data("data")
    if VERSION >= (3, 8):
        class Cached:
            @functools.cached_property
            def value(self):
                return [1]

            @functools.singledispatchmethod
            def single(self, value):
                pass

        cached = Cached()
        cached.value
        descriptor = Cached.__dict__["value"]
    if VERSION >= (3, 9):
        generic_alias, annotated = list[int], typing.Annotated[int, "note"]
    if VERSION >= (3, 10):
        union, spec = int | None, typing.ParamSpec("spec")
        new = lines("@__import__('dataclasses').dataclass(slots=True)\nclass SlotsData:\n    name: str\n    size: int = 1\n"
                    "data = SlotsData('x')")
    if VERSION >= (3, 12):
        newer = lines("type Alias[T] = list[T]\ndef generic[T: int](x: T) -> T: pass\nclass Generic[T, *Ts, **P]: pass\n"
                      "generic_alias, instance = Generic[int, str, [int]], Generic()\nvalue = Alias[int]\nAlias.__value__")
    if VERSION >= (3, 14):
        template = lines("name = 'zoo'\ntemplate = t'hello {name!r:>10} and {1 + 1}'\nparts = list(template)")
        lazily = lines("class Annotated:\n    field: undefined_name\ndef function(x: other_undefined): pass")
    return locals()


@section
def errors():
    def fail(depth):
        local = [depth]
        if depth:
            fail(depth - 1)
        raise ValueError("failed", local)

    def caught(raiser):
        try:
            raiser()
        except BaseException as error:
            return error

    def chained():
        try:
            fail(1)
        except ValueError as error:
            raise KeyError("cause") from error

    def in_context():
        try:
            fail(0)
        except ValueError:
            {}["absent"]

    never, bare, with_arguments = Exception(), ValueError("one"), RuntimeError("one", 2, [])
    deep, cause, context = caught(lambda: fail(5)), caught(chained), caught(in_context)
    missing, no_file = caught(lambda: __import__("not_there")), caught(lambda: open("/not/there"))
    two_files = OSError(2, "text", "from", None, "to")
    syntax, name = caught(lambda: compile("a b", "file", "exec")), caught(lambda: not_a_name)  # noqa
    attribute, division = caught(lambda: [].none), caught(lambda: 1 / 0)
    decoding, encoding = caught(lambda: b"\xff".decode()), caught(lambda: "\xe9".encode("ascii"))
    translating = UnicodeTranslateError("text", 0, 1, "reason")
    stop, leave, interrupt, key = StopIteration([1]), SystemExit([2]), KeyboardInterrupt(), KeyError([])

    class Error(Exception):
        pass

    class Detailed(OSError):
        def __init__(self, detail):
            super().__init__(detail)
            self.detail = detail

    class SlottedError(Exception):
        __slots__ = ("detail",)

    own, detailed, slotted = Error("own", []), Detailed([1]), SlottedError("x")
    slotted.detail = [2]
    traceback, frame = deep.__traceback__, deep.__traceback__.tb_next.tb_frame
    f_locals, cleared = deep.__traceback__.tb_next.tb_next.tb_frame, caught(lambda: fail(2))
    f_locals.f_locals
    cleared.__traceback__.tb_next.tb_frame.clear()
    if VERSION >= (3, 11):
        noted, group = ValueError("noted"), ExceptionGroup("group", [ValueError(1), OSError(2)])
        noted.add_note("a note")
        try:
            raise group
        except ExceptionGroup as error:
            raised_group = error
    return locals()


@section
def references():
    class Target:
        pass

    target, other = Target(), Target()
    plain, same, callback, dead = weakref.ref(target), weakref.ref(target), weakref.ref(target, print), weakref.ref(Target())
    proxy, callable_proxy, final = weakref.proxy(target), weakref.proxy(lambda: 0), weakref.finalize(target, print)
    final.atexit = False

    class Ref(weakref.ref):
        __slots__ = ("key",)

    sub_ref, method, with_key = Ref(target), weakref.WeakMethod(threading.Thread().run), weakref.KeyedRef(target, print, "key")
    sub_ref.key = [1]
    values, keys, weak_set = weakref.WeakValueDictionary(a=target), weakref.WeakKeyDictionary({target: 1}), weakref.WeakSet([other])
    of_function, of_type = weakref.ref(section), weakref.ref(Target)
    return locals()
