"""Runs the probes inside the target's interpreter and sends what they find; src/collect/wire reads it.

Executed by first.py in a dict which holds ORDER (made by src/collect/probe_source.rs). Uses only modules that are built
into the interpreter, calls no code of the target's, creates no name in any of its modules. In `stop` mode, where it
runs in the target itself, it leaves everything as it was.
"""
monotonic, write, dumps = function('time', 'monotonic'), function('posix', 'write'), function('marshal', 'dumps')
PROTOCOL, MAGIC = 1, b'\xf5MA1'
MOST_AT_ONCE = 1 << 20
STARTED = monotonic()
DEADLINE = STARTED + (ORDER['time'] if TWIN else min(ORDER['time'], ORDER['hold']))
SENT, STATE, HANDED = {}, {'dead': False, 'truncated': False, 'interrupted': False}, {}


def send(tag, *fields):
    """One record. When nobody takes it (the reader has gone), nothing is sent any more."""
    if STATE['dead']:
        return
    payload = dumps((tag,) + fields, 2)
    rest = memoryview(b''.join((MAGIC, len(payload).to_bytes(4, 'little'), payload)))
    try:
        while rest:
            rest = rest[write(ORDER['write_to'], rest[:MOST_AT_ONCE]):]
    except OSError:
        STATE['dead'] = True
        return
    SENT[tag] = SENT.get(tag, 0) + 1


def notice(code, text, hint=None):
    send('notice', code, text, hint)


def over():
    """Whether the time is up, or nobody reads."""
    return STATE['dead'] or monotonic() > DEADLINE


def truncated(what):
    if not STATE['truncated']:
        STATE['truncated'] = True
        send('truncated', what)


# The slots of `type` itself: a metaclass is not asked.
module_of, qualname_of, plain_name_of, ready_mro_of, ready_dict_of, flags_of = (
    type.__dict__[name].__get__ for name in (
        '__module__', '__qualname__', '__name__', '__mro__', '__dict__', '__flags__'))


def mro_of(kind):
    # A type in C that nobody has made ready has none.
    return ready_mro_of(kind) or (kind,)


def dict_of(kind):
    return ready_dict_of(kind) or {}


def has(types, wanted):
    """`wanted in types` without `==`, which a metaclass may have written."""
    return any(kind is wanted for kind in types)


def name_of_type(kind):
    parts = []
    for getters in ((module_of,), (qualname_of, plain_name_of)):
        for getter in getters:
            try:
                part = getter(kind)
            except Exception:
                continue
            if type(part) is str:
                parts.append(part)
                break
        else:
            parts.append('?')
    return '.'.join(parts)


def plain(value, depth=0):
    """The value as the stream can carry it: whatever is not data becomes the name of its type."""
    kind = type(value)
    if value is None or has((bool, float, str), kind):
        return value
    if kind is int:
        return value if -2 ** 63 <= value < 2 ** 64 else hex(value)
    if kind is bytes:
        return repr(value[:1000])
    if depth < 64:
        if has((list, tuple, set, frozenset), kind):
            return [plain(item, depth + 1) for item in list(value)]
        if kind is dict:
            return {key if type(key) is str else repr(key) if has((int, float, bool, bytes, type(None)), type(key))
                    else '<' + name_of_type(type(key)) + '>': plain(item, depth + 1)
                    for key, item in list(value.items())}
    return '<' + name_of_type(kind) + '>'


def stacks():
    """(thread, innermost frame) of each thread; of the one we run in, the frame below ours."""
    found = []
    for ident, frame in sys._current_frames().items():
        above = frame
        for _ in range(20):
            if above is None or above is OWN_FRAME:
                break
            above = above.f_back
        if above is OWN_FRAME:
            # Ours is called by the statement that was handed to the interpreter.
            frame = OWN_FRAME.f_back
            frame = frame.f_back if frame is not None else None
        found.append((ident, frame))
    return found


def is_function(frame):
    """Not a module or a class, whose variables live in a dict of somebody else's: CO_OPTIMIZED."""
    return frame.f_code.co_flags & 1


def variables(frame):
    """(name, value) of a frame's local variables, without names where asking for them would change the target."""
    if not is_function(frame):
        return []
    if not TWIN and sys.version_info < (3, 13):
        # f_locals would leave a dict in the frame.
        known = {id(other) for other in (frame.f_back, frame.f_code, frame.f_globals, frame.f_builtins)}
        return [('', value) for value in get_referents(frame) if id(value) not in known]
    found = frame.f_locals
    if type(found) is dict:
        HANDED.setdefault('made', []).append(found)
    return [(name, value) for name, value in list(found.items()) if type(name) is str]


def instance_value(item, name):
    """An attribute that is the instance's own, or a slot; raises AttributeError. Never a property: that is code."""
    for base in mro_of(type(item)):
        if name in dict_of(base) and id(type(dict_of(base)[name])) not in HARMLESS:
            raise AttributeError(name)
    return object.__getattribute__(item, name)


# What a class may have under a name without `object.__getattribute__` running anything of it.
HARMLESS = set(map(id, (
    type(FUNCTION.__dict__['__globals__']), FUNCTION, type(None), bool, int, float, str, bytes, list, tuple, dict,
    set)))


def name_of_frame(frame):
    code = frame.f_code
    module = dict.get(frame.f_globals, '__name__')
    name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
    return module + '.' + name if type(module) is str else name


def lasts(name, seconds):
    """Whether the time left will do for a library, as far as can be told beforehand. In a twin nobody waits for it."""
    left = DEADLINE - monotonic()
    if TWIN:
        return True
    if len(sys._current_frames()) > 1:
        # See all_objects() for what they would do to it.
        notice('left-out', 'the probe `%s` was left out: in the target itself it endangers other threads' % name,
               'use `--freeze twin`')
        return False
    if seconds < left:
        return True
    notice('left-out', 'the probe `%s` was left out: it would take about %.1f s, the target may be held for %.1f s more'
           % (name, seconds, max(left, 0.0)), 'use `--freeze twin`, or a longer `--max-hold`')
    return False


def imported(name, *parts):
    """(module, what undoes the import) of a library of the target's, or in ORDER['site_dirs']; None without one."""
    before, path, write_bytecode = dict(MODULES), list(sys.path), sys.dont_write_bytecode
    collect = sys.modules['gc'].__dict__['collect'] if type(MODULES.get('gc')) is MODULE else None
    caches = dict(sys.path_importer_cache)

    def restore():
        if collect is not None:
            sys.modules['gc'].collect = collect
        sys.dont_write_bytecode = write_bytecode
        sys.path[:] = path
        for key in set(sys.path_importer_cache).difference(caches):
            del sys.path_importer_cache[key]
        if not TWIN:
            for key in set(MODULES).difference(before):
                del MODULES[key]

    sys.dont_write_bytecode = True
    sys.path.extend(ORDER['site_dirs'])
    try:
        for part in parts or (name,):
            __import__(part)
        # The libraries would collect garbage first: that runs finalizers of the target's.
        MODULES['gc'].collect = lambda *generation: 0
        return MODULES[name], restore
    except ImportError as error:
        restore()
        missing = type(error).__name__ == 'ModuleNotFoundError' and error.name == name
        notice('module-missing', 'the probe `%s` was left out: the target cannot import it%s' % (
            name, '' if missing else ' (' + cause_of(error, '') + ')'),
               'install it for the target (`pip install %s`), or name a directory that has it: `--site-dir DIR`' % name)
    except BaseException:
        restore()
        raise
    return None


def version_of(library):
    version = getattr(library, '__version__', None)
    if type(version) is str:
        return version
    for folder in [part for part in sys.path if type(part) is str]:
        # *.dist-info beside the library
        try:
            names = function('posix', 'listdir')(folder)
        except OSError:
            continue
        for entry in names:
            if entry.lower().startswith(library.__name__ + '-') and entry.endswith('.dist-info'):
                return entry[len(library.__name__) + 1:-len('.dist-info')]
    return None


def own_objects():
    """The ids of what is in the snapshot because of us."""
    own = set(map(id, (globals(), OWN_FRAME, OWN_FRAME.f_back)))
    own.update(id(value) for value in globals().values() if has((list, tuple), type(value)))
    codes, values = [OWN_FRAME.f_code], [ORDER] + [value for value in globals().values() if type(value) is FUNCTION]
    if OWN_FRAME.f_back is not None:
        codes.append(OWN_FRAME.f_back.f_code)
    while codes:
        code = codes.pop()
        # An empty tuple is everybody's.
        parts = [code, code.co_consts, code.co_names]
        if sys.version_info < (3, 11):
            parts.extend((code.co_varnames, code.co_freevars, code.co_cellvars))
        own.update(id(part) for part in parts if type(part) is not tuple or part)
        codes.extend(const for const in code.co_consts if type(const) is type(code))
    for module in LOADED:
        spec = module.__dict__.get('__spec__')
        own.update(map(id, (module, module.__dict__, spec)))
        if spec is not None:
            own.add(id(spec.__dict__))
        own.update(id(value) for value in module.__dict__.values() if type(value) is BUILTIN)
    while values:
        value = values.pop()
        if type(value) in (list, tuple, dict) and value:
            own.add(id(value))
            values.extend(value.values() if type(value) is dict else value)
        elif type(value) is FUNCTION:
            own.add(id(value))
    # The parser keeps what it made until the statement is done, in a list that only its texts lead to. And a name of the
    # statement leads to the dict of all interned texts.
    begin = ORDER['begin']
    statement = OWN_FRAME.f_back
    constants = statement.f_code.co_consts if statement is not None else ()
    texts = [constant for constant in constants if type(constant) is str and len(constant) > 500]
    for holder in function('gc', 'get_referrers')(begin, *texts):
        if has((list, tuple), type(holder)):
            own.add(id(holder))
        elif type(holder) is dict and holder.get(begin) is begin:
            # Which the collector knows from 3.14 on.
            HANDED['interned'] = holder
    if sys.version_info < (3, 10):
        # And in lists that only the parser itself refers to: names that nobody else has tell them (Python/pyarena.c).
        texts = [name for name in OWN_FRAME.f_code.co_names if name in ('MACHINERY', 'WITH_FROZEN', 'OWN_FRAME')]
        own.update(id(holder) for holder in function('gc', 'get_referrers')(*texts) if type(holder) is list)
    # The generations are in order of birth, and nobody else has run since the first of ours. Before 3.8 their ends
    # cannot be told: only gaps are closed.
    young = YOUNG or list(map(id, SNAPSHOT))
    places = list(compress(range(len(young)), map(own.__contains__, young)))
    if YOUNG:
        own.update(young[places[0]:] if places else ())
    else:
        for place, following in zip(places, places[1:]):
            if following - place < 40:
                own.update(young[place:following])
    own.discard(id(None))
    return own


def cause_of(error, space):
    """An exception of code with these globals as text, by what it has of exact `str`: nothing of its own is run."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals is space:
            line = trace.tb_lineno
        trace = trace.tb_next
    arguments = BaseException.__dict__['args'].__get__(error)
    said = arguments[0] if arguments and type(arguments[0]) is str else ''
    name = name_of_type(type(error))
    name = name[9:] if name.startswith('builtins.') else name
    return name + (': ' + said[:500] if said else '') + (', line %d' % line if line else '')


def run(name, source, path, user):
    """One probe: a built-in one by its function `probe`, one of the user's as it stands, with `emit` and `objects`."""
    space, emitted = {'__name__': '<probe %s>' % name, '__file__': path}, []
    send('begin', name)
    try:
        if user:
            space.update(emit=emitted.append, objects=all_objects())
        else:
            space.update(API)
        exec(source, space)
        if not user:
            result = space['probe']()
            emitted = [] if result is None else [result]
        if emitted:
            send('probe', name, plain(emitted[0] if len(emitted) == 1 else emitted))
    except BaseException as error:
        STATE['interrupted'] |= type(error) is KeyboardInterrupt
        notice('probe-failed', 'the probe `%s` failed: %s' % (name, cause_of(error, space)))
    space.clear()
    send('done', name)


def main():
    global SNAPSHOT, WITH_FROZEN, YOUNG
    send('hello', PROTOCOL, '.'.join(map(str, sys.version_info[:3])), function('posix', 'getpid')())
    HANDED.update(snapshot=SNAPSHOT, all=WITH_FROZEN, own=own_objects())
    SNAPSHOT = WITH_FROZEN = YOUNG = None
    for name, source, path, user in ORDER['probes']:
        if over():
            notice('left-out', 'the probe `%s` was left out: the time is over' % name)
        else:
            run(name, source, path, user)
    send('end', SENT)


API = {name: value for name, value in globals().items() if name not in ('SNAPSHOT', 'WITH_FROZEN', 'YOUNG')}
try:
    main()
except BaseException as failure:
    STATE['interrupted'] |= type(failure) is KeyboardInterrupt
    STATE['dead'] = True
if TWIN:
    function('posix', '_exit')(0)
if STATE['interrupted']:
    # It was meant for the target.
    function('_thread', 'interrupt_main')()
if WAS_ENABLED:
    function('gc', 'enable')()
sys.setprofile(TRACING[1])
sys.settrace(TRACING[0])
# Functions and the dict they live in hold each other: they would stay until the next collection.
API.clear()
HANDED.clear()
globals().clear()
