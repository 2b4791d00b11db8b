"""What the standard library is made of in C, and numpy where it is installed."""
import array
import asyncio
import collections
import collections.abc
import csv
import ctypes
import datetime
import decimal
import fractions
import hashlib
import io
import json
import mmap
import os
import pathlib
import pickle
import queue
import random
import re
import selectors
import socket
import string
import struct
import sys
import threading
import types
import uuid
import zlib
from xml.etree import ElementTree

from zoo_sections import VERSION, section


@section
def buffers():
    arrays = [array.array(code, [1, 2, 3]) for code in "bBhHiIlLqQfd"]
    text_array, no_array, grown, shrunk = array.array("u", "t\xe9xt"), array.array("i"), array.array("i"), array.array("d", [1] * 500)
    for number in range(50):
        grown.append(number)
    del shrunk[3:]

    class Array(array.array):
        pass

    sub_array = Array("i", [1, 2])
    sub_array.attribute = []
    of_bytes, of_array = memoryview(b"bytes"), memoryview(arrays[4])
    of_bytearray, sliced, stepped = memoryview(bytearray(10)), memoryview(b"0123456789")[2:5], memoryview(bytearray(10))[::2]
    cast, shaped, released = memoryview(bytearray(16)).cast("I"), memoryview(bytearray(12)).cast("B", [3, 4]), memoryview(b"x")
    released.release()
    map_shared, map_private = mmap.mmap(-1, 8192), mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    bytes_io, no_bytes_io, text_io, no_text_io = io.BytesIO(b"content"), io.BytesIO(), io.StringIO("cont\xe9nt"), io.StringIO()
    written, lent, written_text = io.BytesIO(), io.BytesIO(bytes(1000)), io.StringIO()
    for number in range(300):
        written.write(b"piece")
        written_text.write("pi\xe8ce")
    loan = lent.getbuffer()
    read_text = io.StringIO("a\nb\n")
    next(read_text)

    class Bytes(io.BytesIO):
        pass

    class Raw(io.RawIOBase):
        pass

    sub_bytes_io, raw = Bytes(b"sub"), Raw()
    sub_bytes_io.attribute = []
    reader, writer = io.BufferedReader(io.BytesIO(b"buffered")), io.BufferedWriter(io.BytesIO())
    reader.peek()
    text_reader, text_writer = io.TextIOWrapper(io.BytesIO(b"a\nb\nc")), io.TextIOWrapper(io.BytesIO(), "latin-1")
    next(text_reader)
    text_writer.write("pending")
    both, pair = io.BufferedRandom(io.BytesIO()), io.BufferedRWPair(io.BytesIO(), io.BytesIO())
    null, null_text, decoder = open("/dev/null", "rb", 0), open("/dev/null"), io.IncrementalNewlineDecoder(None, True)
    packer, packer_bytes = struct.Struct("<iqd4s"), struct.Struct("i")
    unpacking = struct.iter_unpack("i", bytes(16))
    next(unpacking)
    return locals()


@section
def library():
    pattern, flags, groups = re.compile("zoo-(a+)"), re.compile(b"x", re.I), re.compile(r"(?P<name>a)(?P<other>b)?(c)")
    match, bytes_match, scanner = pattern.match("zoo-aaa"), flags.search(b"ax"), pattern.scanner("zoo-a zoo-aa")
    group_match = groups.match("ac")
    named = group_match.groupdict()
    utc = datetime.timezone.utc
    zone, named_zone = datetime.timezone(datetime.timedelta(hours=2)), datetime.timezone(datetime.timedelta(1, 0, 0) / 3, "name")
    moment, aware = datetime.datetime(2020, 1, 2, 3, 4, 5), datetime.datetime(2020, 1, 2, tzinfo=named_zone)
    day, hour, aware_hour, delta = datetime.date(2020, 1, 2), datetime.time(1, 2), datetime.time(1, 2, tzinfo=zone), datetime.timedelta(3, 4, 5)

    class Moment(datetime.datetime):
        pass

    sub_moment = Moment(2020, 1, 1, tzinfo=utc)
    sub_moment.attribute = []
    small, long_decimal, nan = decimal.Decimal("1.5"), decimal.Decimal("1" * 100), decimal.Decimal("NaN")
    longer, context, local_context = decimal.Decimal("7" * 3000), decimal.Context(prec=5), decimal.getcontext()
    signals = context.flags

    class Dec(decimal.Decimal):
        pass

    sub_decimal = Dec("2.5")
    sub_decimal.attribute = []
    fraction, generator, template = fractions.Fraction(1, 3), random.Random(1), string.Template("$a")
    namespace, filled_namespace = types.SimpleNamespace(), types.SimpleNamespace(a=[1], b=2)
    module, filled_module = types.ModuleType("made"), types.ModuleType("filled", "doc")
    filled_module.attribute = []
    hashes = [hashlib.md5(b"a"), hashlib.sha256(), hashlib.sha1(), hashlib.blake2b(b"b"), hashlib.sha3_256()]
    compressor, decompressor = zlib.compressobj(), zlib.decompressobj(zdict=b"dictionary")
    fed = zlib.decompressobj()
    fed.decompress(zlib.compress(b"a" * 1000) + b"unused", 10)
    root = ElementTree.XML("<a b='c'>text<d/>tail<e f='g'><h/><h/><h/><h/><h/><h/></e></a>")
    tree, leaf, builder, parser = ElementTree.ElementTree(root), ElementTree.Element("leaf"), ElementTree.TreeBuilder(), ElementTree.XMLParser()
    parser.feed("<a><b>half")
    walk = root.iter()
    next(walk), next(walk)
    reader, writer, dict_reader = csv.reader(["a,b", "c,d"]), csv.writer(io.StringIO()), csv.DictReader(["a,b", "1,2"])
    next(reader), next(dict_reader)
    dialect = csv.get_dialect("excel")
    encoder, decoder = json.JSONEncoder(indent=1), json.JSONDecoder()
    c_encoder = json.encoder.c_make_encoder and json.encoder.c_make_encoder(
        {}, repr, json.encoder.encode_basestring, None, ":", ",", False, False, True)
    pickled = io.BytesIO()
    pickler, unpickler = pickle.Pickler(pickled), pickle.Unpickler(io.BytesIO(pickle.dumps([[1], "a"])))
    pickler.dump([[1], ("a", {"b": []})])
    unpickler.load()
    identifier, path, url = uuid.UUID(int=5), pathlib.Path("/usr/bin") / "python", __import__("urllib.parse").parse.urlparse("http://a/b")
    str(path), path.parts, hash(path)
    abstract = [collections.abc.KeysView({"a": 1}), collections.abc.Mapping, collections.abc.ItemsView({})]
    finder, spec, loader = sys.meta_path[0], threading.__spec__, threading.__loader__
    environment, flags_of_python, arguments = os.environ, sys.flags, sys.argv
    if VERSION < (3, 10):
        syntax = __import__("parser")
        trees = [syntax.expr("1 + 2 * (3 - %s)" % " + ".join(map(str, range(300)))), syntax.suite("def f(a):\n  return a\n")]
    return locals()


@section
def machines():
    lock, held, rlock, held_rlock = threading.Lock(), threading.Lock(), threading.RLock(), threading.RLock()
    held.acquire(), held_rlock.acquire()
    local, event, condition, semaphore = threading.local(), threading.Event(), threading.Condition(), threading.Semaphore()
    local.value = []

    class Local(threading.local):
        def __init__(self, argument):
            self.argument = argument

    sub_local, unstarted, ended = Local([1]), threading.Thread(target=print, args=([],)), threading.Thread(target=len, args=("",))
    ended.start()
    ended.join()
    fifo, waiting = queue.Queue(), queue.PriorityQueue()
    fifo.put([1])
    selector, poll = selectors.DefaultSelector(), __import__("select").poll()
    left, right = socket.socketpair()
    selector.register(left, selectors.EVENT_READ, [1])
    selector.select(0)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    future, done, failed = loop.create_future(), loop.create_future(), loop.create_future()
    done.set_result([1])
    failed.set_exception(ValueError("failed"))
    failed.exception()
    future.add_done_callback(print)
    future.attribute = [1]

    async def work(argument):
        local = [argument]
        await future
        return local

    async def both():
        await asyncio.gather(work(2), work(3))

    tasks = [loop.create_task(work(1)), loop.create_task(both())]
    finished = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(finished)
    awaiting = iter(future)
    next(awaiting)
    handle, timer, asyncio_lock, asyncio_queue = loop.call_soon(print, 1), loop.call_later(1000, print), asyncio.Lock(), asyncio.Queue()
    asyncio.set_event_loop(None)
    if VERSION >= (3, 7):
        import contextvars
        simple = queue.SimpleQueue()
        for number in range(10):
            simple.put([number])
        simple.get()
        variable, with_default = contextvars.ContextVar("variable"), contextvars.ContextVar("default", default=[1])
        token = variable.set([2])
        context, no_context = contextvars.copy_context(), contextvars.Context()
        many = [contextvars.ContextVar("variable-%d" % number) for number in range(40)]

        def fill():
            for each in many:
                each.set([each])

        full = contextvars.copy_context()
        full.run(fill)
        items, keys = full.items(), iter(full)
        next(keys)
    return locals()


@section
def foreign():
    class Pair(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("text", ctypes.c_char_p), ("bits", ctypes.c_int, 3)]

    class Either(ctypes.Union):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double), ("pair", Pair)]

    class Link(ctypes.Structure):
        pass

    Link._fields_ = [("next", ctypes.POINTER(Link)), ("thing", ctypes.py_object)]
    Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
    number, text, wide, thing = ctypes.c_int(5), ctypes.c_char_p(b"text"), ctypes.c_wchar_p("wide"), ctypes.py_object([1])
    pair, either, link, buffer = Pair(1, b"text"), Either(), Link(), ctypes.create_string_buffer(100)
    link.next, link.thing = ctypes.pointer(Link()), [2]
    pointer, by_reference, null = ctypes.pointer(number), ctypes.byref(number), ctypes.POINTER(ctypes.c_int)()
    numbers, pairs = (ctypes.c_int * 10)(), (Pair * 3)((1, b"a"))
    part, large = pairs[1], (ctypes.c_double * 1000)()
    callback, field, over = Callback(lambda value: value), Pair.x, ctypes.c_int.from_buffer(bytearray(8))
    callback(3)
    library = ctypes.CDLL(None)
    function = library.strlen
    function.argtypes, function.restype, function.errcheck = [ctypes.c_char_p], ctypes.c_size_t, lambda result, *_: result
    function(b"text")
    number.attribute = [1]
    return locals()


@section
def database():
    import sqlite3
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    cursor = connection.execute("select 1 as a, 'text' as b union select 2, 'more'")
    row = cursor.fetchone()
    connection.create_function("double", 1, lambda value: 2 * value)
    return locals()


@section
def arrays_of_numpy():
    import numpy
    ints, floats, texts = numpy.arange(100), numpy.zeros((10, 20)), numpy.array(["a", "bcd"])
    objects, view, transposed = numpy.array([[1], {}, None], dtype=object), ints[10:20:2], floats.T
    scalar, structured, masked = numpy.float64(1.5), numpy.zeros(3, dtype=[("a", "i4"), ("b", "f8")]), numpy.ma.masked_array([1, 2], [0, 1])
    kind, function, borrowed = ints.dtype, numpy.add, numpy.frombuffer(bytearray(16), dtype="i4")
    empty, none_deep, square = numpy.zeros((0, 3)), numpy.array(1.5), numpy.array([[[1], "a"], [2, None]], dtype=object)
    part = square[0]
    scalars = [numpy.bool_(1), numpy.int8(3), numpy.float32(1), numpy.complex64(1), numpy.longdouble(2), numpy.datetime64("2020-01-01")]
    return locals()
