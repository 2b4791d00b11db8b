"""Prints version and flavour; then of every type not written in Python module, name and `__basicsize__`, a line each."""
import gc
import importlib
import itertools
import sys

MODULES = '''_abc _ast _asyncio _blake2 _bz2 _collections _contextvars _csv _ctypes _curses _curses_panel _datetime _decimal
_elementtree _functools _hashlib _hmac _io _json _lsprof _lzma _md5 _multiprocessing _operator _pickle _queue _random _sha1
_sha2 _sha3 _socket _sqlite3 _sre _ssl _string _struct _thread _tkinter _typing _zoneinfo _zstd array asyncio bz2 collections
compression.zstd contextvars csv ctypes datetime decimal functools hashlib io itertools lzma mmap os pickle pyexpat re select
sqlite3 string string.templatelib struct threading types typing unicodedata weakref xml.etree.ElementTree zipimport zlib
zoneinfo'''
# Types that nothing names are met through an object.
OBJECTS = '''iter([]); reversed([]); iter(()); iter(''); iter('\\u1234'); iter(b''); iter(bytearray()); iter(memoryview(b''))
iter(range(2)); iter(range(2 ** 70)); iter(set()); iter(int, 1); iter(list[int]); iter({}); iter({}.values())
iter({}.items()); reversed({}); reversed({}.values()); reversed({}.items()); iter(collections.OrderedDict())
iter(collections.deque()); reversed(collections.deque()); iter(array.array('b')); struct.iter_unpack('b', b'')
[].append; ''.__len__; memoryview(b''); sys._getframe().f_locals; (lambda: 0).__code__.co_lines()
(lambda: 0).__code__.co_positions(); contextvars.copy_context().items(); contextvars.copy_context().keys()
contextvars.copy_context().values(); csv.reader([]); csv.writer(io.StringIO()); re.compile('').scanner(''); os.scandir()
select.poll(); io.BytesIO().getbuffer(); next(itertools.groupby([1])); itertools.tee([])[0]; functools.lru_cache()(len)
functools.cmp_to_key(len)(1); decimal.localcontext(); decimal.getcontext().traps; ctypes.byref(ctypes.c_int())
ctypes.CFUNCTYPE(None)(int); zlib.compressobj(); zlib.decompressobj(); bz2.BZ2Compressor(); lzma.LZMACompressor()
hashlib.md5(); _md5.md5(); _sha1.sha1(); _sha3.sha3_256(); _blake2.blake2b(); unicodedata.ucd_3_2_0
pyexpat.ParserCreate(); threading.RLock(); sqlite3.connect(':memory:').cursor(); xml.etree.ElementTree.Element('a').iter()
pickle.Pickler(io.BytesIO()).memo; pickle.Unpickler(io.BytesIO()).memo; _string.formatter_parser('')
_string.formatter_field_name_split('a')[1]; anext(generator(), 1); generator().asend(None)
generator().athrow(ValueError); coroutine().__await__()'''


async def generator():
    yield


async def coroutine():
    pass


def add(kind):
    if issubclass(type(kind), type) and id(kind) not in found:
        found[id(kind)] = kind
        for other in (type(kind), *type.mro(kind), *type.__subclasses__(kind)):
            add(other)


for module in MODULES.split():
    try:
        globals()[module.split('.')[0]] = sys.modules.get(module.split('.')[0]) or importlib.import_module(module)
        importlib.import_module(module)
    except Exception:
        pass  # not in this version, or what it needs is missing
kept = []
for text in OBJECTS.replace('\n', ';').split(';'):
    try:
        kept.append(eval(text.strip()))
    except Exception:
        pass  # not in this version
sys.setrecursionlimit(10000)
found = {}
add(object)
for item in itertools.chain(gc.get_objects(), kept):
    add(item)
    add(type(item))
print('%d.%d.%d' % sys.version_info[:3], 'debug' if hasattr(sys, 'gettotalrefcount') else 'release', sep='-')
module_of, name_of = (type.__dict__[name].__get__ for name in ('__module__', '__qualname__'))
for kind in found.values():
    is_python = any(type(value) is type(coroutine) for value in list(type.__dict__['__dict__'].__get__(kind).values()))
    if type(module_of(kind)) is str and not is_python:
        print(module_of(kind), name_of(kind), kind.__basicsize__, sep='\t')
