"""What runs, has run or will run: functions, generators, coroutines, iterators."""
import array
import collections
import functools
import itertools
import operator
import os
import re
import types

from zoo_sections import VERSION, section


@section
def functions():
    def plain():
        pass

    free, other = [1], 2

    def closure(one, two=[], *args, three: int = 3, **kwargs) -> "annotation":
        """A docstring."""
        return free, other

    def late():
        return not_yet  # noqa

    def counting():
        nonlocal count
        count += 1

    count, small_lambda, attributed = 0, lambda: 0, lambda: 1
    attributed.attribute = [1]
    opened = lambda: 2  # noqa
    opened.__dict__, opened.__annotations__
    cell, cells, empty_cell = closure.__closure__[0], closure.__closure__, (lambda: not_yet).__closure__[0]
    code, nested_code = closure.__code__, compile("def f(a, b):\n  c = 1\n  return lambda: a + c", "file", "exec")
    built, renamed = types.FunctionType(code, {}, "built", (), cells), lambda: 3
    renamed.__name__, renamed.__qualname__, renamed.__doc__ = "renamed", "quite.renamed", "Documented."
    def hot(value):
        return len(str(value)) + value.real

    for number in range(2000):
        plain(), hot(number)  # some versions keep more of a code that runs often
    wrapped = functools.wraps(closure)(lambda: 4)
    partial, partial_all = functools.partial(plain), functools.partial(closure, 1, three=[2])

    class Partial(functools.partial):
        pass

    sub_partial = Partial(plain, 1)
    sub_partial.attribute = partial_all.attribute = []

    @functools.lru_cache(maxsize=5)
    def bounded(number, *more):
        return [number]

    @functools.lru_cache(maxsize=None)
    def unbounded(number, key=None):
        return [number]

    @functools.lru_cache(maxsize=0)
    def uncached(number):
        return number

    @functools.lru_cache(maxsize=3, typed=True)
    def typed(number):
        return number

    for number in range(9):
        bounded(number), bounded(str(number)), bounded(number, number), unbounded(number), unbounded(number, key=[1][0])
        uncached(number), typed(number), typed(float(number))
    bounded.attribute = [1]

    @functools.singledispatch
    def dispatched(value):
        pass

    dispatched.register(int, abs)
    dispatched(1)
    key = functools.cmp_to_key(lambda a, b: 0)
    wrapped_key = key([1])
    getters = [operator.itemgetter(1), operator.itemgetter(1, "a"), operator.attrgetter("a"), operator.attrgetter("a.b", "c"),
               operator.methodcaller("name"), operator.methodcaller("name", [1], key=[2])]
    operator.methodcaller("called", 1)(types.SimpleNamespace(called=abs))
    partial_method, method, builtin = functools.partialmethod(plain, 1), types.MethodType(closure, []), [].append
    if not free:
        not_yet = 1  # never: its cell stays empty
    return locals()


@section
def generators():
    def generate(argument):
        local = [argument]
        received = yield local
        yield (received, local)

    def delegate():
        yield from generate(1)

    @types.coroutine
    def pause():
        yield

    async def coroutine(argument):
        local = [argument]
        await pause()
        return local

    async def outer():
        await coroutine(1)

    async def produce():
        local = []
        yield local
        yield 2

    async def consume():
        async for _ in producing_more:
            await pause()

    fresh, suspended, exhausted, delegated = generate(1), generate([2]), generate(3), delegate()
    next(suspended), next(delegated), list(exhausted)
    expression = (number * offset for offset in [1] for number in range(3))
    next(expression)
    def stacked():
        held = [1]
        return_value = [held, {"a": (yield 1)}, (yield 2)]
        return return_value

    on_stack, in_try = stacked(), None
    next(on_stack)

    def handling():
        try:
            raise ValueError("handled")
        except ValueError as error:
            yield error

    in_try = handling()
    next(in_try)
    looked_at = generate(5)
    next(looked_at)
    frame = looked_at.gi_frame
    named = generate(6)
    named.__name__, named.__qualname__ = "named-%d" % 1, "named-%d" % 2
    not_awaited, awaiting, finished = coroutine(1), outer(), coroutine(2)
    awaiting.send(None)
    finished.send(None)
    try:
        finished.send(None)
    except StopIteration:
        pass
    wrapper, not_started, producing, producing_more = coroutine(3), produce(), produce(), produce()
    waiter = wrapper.__await__()
    waiter.send(None)
    step = producing.__anext__()
    try:
        step.send(None)
    except StopIteration:
        pass
    ready, sending, throwing = producing.__anext__(), producing.asend([1]), producing.athrow(ValueError)
    consuming = consume()
    consuming.send(None)
    old_style = pause()
    next(old_style)
    return locals()


@section
def iterators():
    listed, text, three, mapping = list(range(10)), "text", (1, 2, 3), {"a": 1, "b": 2}
    half = [iter(listed), iter(text), iter(three), iter({1, 2, 3}), iter(b"bytes"), iter(bytearray(b"array")), iter(range(9)),
            iter(range(2 ** 70)), reversed(listed), reversed(three), enumerate(listed, 5), enumerate(text, 2 ** 70),
            zip(listed, text), map(str, listed), map(max, listed, listed), filter(None, [1, 2]), filter(str, listed),
            iter(array.array("i", [1, 2])), iter(collections.deque([1, 2])), iter([].copy, []), re.finditer("a", "aaa"),
            iter("\xe9\u4e2d"), iter(memoryview(b"abc")), iter(mapping), iter(mapping.items()), os.scandir("/proc/self")]
    half += [itertools.count(3), itertools.count(2 ** 70, [2][0]), itertools.count(0.5), itertools.cycle(listed),
             itertools.repeat([1]), itertools.repeat([1], 5), itertools.accumulate(listed), itertools.accumulate(listed, max),
             itertools.chain(listed, text), itertools.chain.from_iterable([listed, text]),
             itertools.compress(listed, [1, 0, 1]), itertools.dropwhile(bool, [0, 0, 1]), itertools.takewhile(bool, [1, 1, 0]),
             itertools.filterfalse(None, [0, 0]), itertools.islice(listed, 1, 8, 2), itertools.starmap(max, [(1, 2), (3, 4)]),
             itertools.zip_longest(listed, text, fillvalue=[1]), itertools.product(listed, text, repeat=2),
             itertools.permutations(listed, 3), itertools.combinations(listed, 2),
             itertools.combinations_with_replacement(listed, 2)]
    for iterator in half:
        next(iterator, None)

    class Sequence:
        def __getitem__(self, index):
            return index

    by_index = iter(Sequence())
    next(by_index)
    groups = itertools.groupby([1, 1, 2], key=[].count)
    group = next(groups)
    tees = itertools.tee(listed, 3)
    next(tees[0])
    one_ahead = tees[1].__copy__()
    long_tee, other_tee = itertools.tee(range(200))
    collections.deque(itertools.islice(long_tee, 150), 0)
    exhausted = [iter([]), iter(()), iter(""), zip(), map(str, []), itertools.chain()]
    for iterator in exhausted:
        next(iterator, None)
    ranges = [range(5), range(0), range(1, 10, 3), range(2 ** 70), range(-(2 ** 70), 2 ** 70, 2 ** 40)]
    slices = [slice(1), slice(1, [2], 3), slice(None)]
    if VERSION >= (3, 10):
        pairs = itertools.pairwise(listed)
        next(pairs)
    if VERSION >= (3, 12):
        batches = itertools.batched(listed, 3)
        next(batches)
    return locals()
