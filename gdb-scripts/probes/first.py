"""What must happen first in the target's interpreter: tracing and collector off, then the list of what is there.

Short, because what is made before the collector is off could set it going, and what is made before the list is in it.
The rest, runner.py, follows as RUNNER; both run in one fresh dict.
"""
# An import statement would call the target's import hooks; the import machinery's own globals have the way past them.
MACHINERY = __builtins__['__spec__'].loader.find_spec.__func__.__globals__
sys = MACHINERY['sys']
TRACING = sys.gettrace(), sys.getprofile()
sys.settrace(None)
sys.setprofile(None)
MODULES = sys.modules
FUNCTION, BUILTIN, MODULE = type(lambda: 0), type(len), type(sys)
LOADED = []


def load(name):
    """A fresh copy of a module that is built into the interpreter; `sys.modules` stays as it is."""
    before = MODULES.get(name)
    spec = MACHINERY['ModuleSpec'](name, MACHINERY['BuiltinImporter'], origin='built-in')
    module = MACHINERY['_imp'].create_builtin(spec)
    MACHINERY['_imp'].exec_builtin(module)
    if before is not None:
        MODULES[name] = before
    else:
        MODULES.pop(name, None)
    LOADED.append(module)
    return module


def function(module, name):
    """A function of such a module, also where the target has put one of its own in its place (gevent, freezegun)."""
    found = MODULES.get(module)
    if type(found) is MODULE:
        value = found.__dict__.get(name)
        if type(value) is BUILTIN and value.__name__ == name:
            return value
        if type(value) is type and value.__module__ in (module, module.lstrip('_')):
            return value
    for found in LOADED:
        if found.__name__ == module:
            return found.__dict__[name]
    return load(module).__dict__[name]


WAS_ENABLED = function('gc', 'isenabled')()
function('gc', 'disable')()
get_objects, get_referents = function('gc', 'get_objects'), function('gc', 'get_referents')
GC_COUNTS = function('gc', 'get_count')()
FROZEN_COUNT = function('gc', 'get_freeze_count')() if sys.version_info >= (3, 7) else 0
TWIN = ORDER['mode'] == 'twin'
chain, compress, repeat, starmap = (
    function('itertools', name) for name in ('chain', 'compress', 'repeat', 'starmap'))
is_not = function('_operator', 'is_not')


def all_objects():
    """The tracked objects; where other threads may run meanwhile, without plain tuples.

    `tuple(...)` fails in a thread when somebody else holds the tuple that it is still filling (Objects/tupleobject.c,
    _PyTuple_Resize), and the collector knows that tuple. So there must be no moment between two bytecodes at which we
    hold one: the list is made and sieved within one call. Finished tuples are found through whatever refers to them.
    """
    if TWIN or len(sys._current_frames()) == 1:
        return get_objects()
    if sys.version_info < (3, 8):
        # The generations cannot be asked for one by one: only what the roots lead to is found.
        return []
    # Two lists are needed, of the objects and of their types, each asked for when it is come to. Both begin alike: what
    # the one makes, the other has at the end of its youngest generation. Neither may be in the other, and so be kept:
    # the padding sees to it that one is gone when the other comes.
    padding = [((),) * 50]
    one = chain.from_iterable(chain(starmap(get_objects, [(2,)]), padding, starmap(get_objects, [(1,)]), padding,
                                    starmap(get_objects, [(0,)]), padding))
    other = chain.from_iterable(chain(starmap(get_objects, [(2,)]), padding, starmap(get_objects, [(1,)]), padding,
                                      starmap(get_objects, [(0,)]), padding))
    found = list(compress(one, map(is_not, map(type, other), repeat(tuple))))
    while found and found[-1] is padding[0][0]:
        del found[-1]
    return found


# As early as possible: what is made from here on is ours, and not in it.
YOUNG = list(map(id, chain.from_iterable(starmap(get_objects, [(0,)])))) if sys.version_info >= (3, 8) else []
SNAPSHOT, WITH_FROZEN = all_objects(), None
if FROZEN_COUNT and TWIN:
    function('gc', 'unfreeze')()
    WITH_FROZEN = get_objects()
OWN_FRAME = sys._getframe()
exec(RUNNER)
