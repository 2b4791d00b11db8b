# The second half of heap.py: what the edges of instances, functions, modules, types … are called.
#
# A type's referents come in an order of its own. One object of each number of referents is looked at closely, by
# identity with its attributes; whether the others of that number are alike is then verified in bulk, at most MOST_ALIKE
# of them. Types are told by their ids: a metaclass may have its own idea of equality and hash.

GETSET = type(FUNCTION.__dict__['__code__'])
get_attribute = object.__getattribute__
is_, itemgetter = function('_operator', 'is_'), function('_operator', 'itemgetter')
DEQUE = function('_collections', 'deque')
MOST_ALIKE, MOST_APART = (20000, 5000) if TWIN else (1000, 200)
# So many objects of a kind may have their `__dict__` looked at, which can make one.
MOST_OPENED = 8
# The part of the time left that names may take.
SHARE = 0.25
# Attributes that are no members of the struct but return one: only those that never make a new object.
WELL_KNOWN = {
    id(FUNCTION): ('__code__', '__defaults__', '__kwdefaults__', '__name__', '__qualname__'),
    id(BUILTIN): ('__self__',),
    id(type): ('__mro__', '__bases__', '__base__'),
    id(BaseException): ('args', '__traceback__', '__context__', '__cause__'),
    id(type((lambda value: lambda: value)(0).__closure__[0])): ('cell_contents',),
    id(type((lambda: (yield))())): ('gi_code', '__name__', '__qualname__'),
}
FRAME = type(sys._getframe())
# Where items have an order; of longer ones only the first have a name.
INDEXED = {id(list): list.__iter__, id(DEQUE): DEQUE.__iter__}
MOST_INDEXED = 1000
# Objects with more referents are containers, whose items have no names beyond those.
LONGEST_NAMED = 5000
# What is found by elimination cannot be verified in bulk.
ALONE = Exception
FRAME_ATTRIBUTES = ('gi_frame', 'cr_frame', 'ag_frame')
batch = {'names': [[''], [], [], []], 'shapes': [[''], [], [], []]}
numbers = {'names': {}, 'shapes': {}}


def namespace(kind):
    """The dict of a class, which Python shows through a proxy only."""
    return get_referents(dict_of(kind))[0]


def getters_of(kind):
    """[(step, function, argument)]: the attributes of the type's instances that can be had without running code."""
    getters, taken = [], set()
    for base in mro_of(kind):
        space = dict_of(base)
        for name in sorted(name for name in list(space) if type(name) is str and type(space[name]) is MEMBER):
            if name not in taken:
                getters.append(('.' + name, space[name].__get__, None))
            taken.add(name)
        for name in WELL_KNOWN.get(id(base), ()):
            if type(space.get(name)) is GETSET and name not in taken:
                getters.append(('.' + name, space[name].__get__, None))
    if has(mro_of(kind), type):
        getters.append(('.__dict__', namespace, None))
    elif not TWIN:
        names = set()
        for base in mro_of(kind):
            space = dict_of(base)
            if flags_of(base) & IS_HEAP_TYPE:
                static = space.get('__static_attributes__')
                names.update(static if type(static) is tuple else ())
                for method in list(space.values()):
                    names.update(method.__code__.co_names if type(method) is FUNCTION else ())
        getters.extend(attribute(name) for name in sorted(name for name in names if type(name) is str)
                       if name not in taken and is_own(kind, name))
    return getters


def attribute(name):
    return '.' + name, get_attribute, name


def is_own(kind, name):
    """Whether an instance's attribute of this name is found without running code."""
    return all(name not in dict_of(base) or id(type(dict_of(base)[name])) in HARMLESS for base in mro_of(kind))


def dict_getter(kind):
    for base in mro_of(kind):
        getter = dict_of(base).get('__dict__')
        if getter is not None:
            return getter.__get__ if type(getter) is GETSET and not has(mro_of(kind), type) else None
    return None


def names_of(item, parts, getters, open_dict):
    """For each referent a getter as above, or None. May add getters of attributes found in the instance's dict."""
    kind, places, found = type(item), {}, [None] * len(parts)
    for position, part in enumerate(parts):
        places.setdefault(id(part), []).append(position)

    def name(value, getter):
        free = places.get(id(value))
        if free:
            found[free.pop(0)] = getter

    if has(mro_of(kind), tuple):
        count, fields = tuple.__len__(item), None
        for base in mro_of(kind):
            fields = dict_of(base).get('_fields')
            if fields is not None:
                break
        proper = type(fields) is tuple and len(fields) == count and all(type(field) is str for field in fields)
        # Its items are what is visited last.
        for index in range(min(count, len(parts)) if BACKWARDS else 0):
            position = len(parts) - 1 - index
            found[position] = ('.' + fields[index] if proper else '[%d]' % index, None, None)
            places[id(parts[position])].remove(position)
    for base in mro_of(kind):
        if id(base) in INDEXED:
            for index, value in enumerate(islice(INDEXED[id(base)](item), MOST_INDEXED)):
                name(value, ('[%d]' % index, None, ALONE))
    for getter in getters:
        try:
            value = getter[1](item) if getter[2] is None else getter[1](item, getter[2])
        except Exception:
            continue
        name(value, getter)
    name(kind, ('.__class__', type, None))
    if TWIN:
        frame = item if kind is FRAME else None
        for frame_attribute in FRAME_ATTRIBUTES:
            if frame_attribute in dict_of(kind) and not flags_of(kind) & IS_HEAP_TYPE:
                frame = dict_of(kind)[frame_attribute].__get__(item)
                step = '.%s.f_locals[' % frame_attribute
                name(frame, ('.' + frame_attribute, dict_of(kind)[frame_attribute].__get__, None))
        if type(frame) is FRAME:
            step = '.f_locals[' if frame is item else step
            for variable, value in variables(frame):
                name(value, (step + repr(variable) + ']', None, ALONE))
    left = [part for position, part in enumerate(parts) if found[position] is None]
    getter = dict_getter(kind) if left else None
    if getter is not None and TWIN and open_dict:
        inside = getter(item)
        if type(inside) is dict:
            name(inside, ('.__dict__', getter, None))
            for key, value in list(inside.items()):
                if type(key) is str and is_own(kind, key):
                    if attribute(key) not in getters:
                        getters.append(attribute(key))
                    name(value, attribute(key))
    elif getter is not None:
        dicts = [part for part in left if type(part) is dict]
        if len(dicts) == 1 and is_dict_of(item, dicts[0]):
            name(dicts[0], ('.__dict__', None, ALONE))
    if kind is FUNCTION:
        # Asking for them would make a dict of a tuple.
        for position, part in enumerate(parts):
            if found[position] is None and (type(part) is tuple or type(part) is dict):
                found[position] = ('.__annotations__', None, ALONE)
    return found


def is_dict_of(item, inside):
    """Whether this is the `__dict__` of an instance; asking for that would make one."""
    for key, value in list(inside.items())[:1]:
        try:
            return type(key) is str and instance_value(item, key) is value
        except AttributeError:
            return False
    return False


def are_alike(objects, parts, names):
    for position, getter in enumerate(names):
        if getter is None or getter[1] is None and getter[2] is None:
            continue
        if getter[1] is None:
            return False
        try:
            values = map(getter[1], objects) if getter[2] is None else map(getter[1], objects, repeat(getter[2]))
            if not all(map(is_, values, map(itemgetter(position), parts))):
                return False
        except Exception:
            return False
    return True


def say(tag, address, names):
    table, ids, lengths, flat = batch[tag]
    known_numbers = numbers[tag]
    ids.append(address)
    lengths.append(len(names))
    for getter in names:
        step = '' if getter is None else getter[0]
        number = known_numbers.get(step)
        if number is None:
            number = known_numbers[step] = len(table) if step else 0
            if step:
                table.append(step)
        flat.append(number)
    if len(flat) > CHUNK:
        flush(tag)


def flush(tag):
    if batch[tag][1]:
        send(tag, *batch[tag])
    batch[tag] = [[''], [], [], []]
    numbers[tag].clear()


def name_type(address, objects):
    kind, lengths = types_by_id[address], {}
    # Before anything is looked at: looking can change them.
    parts = list(map(get_referents, objects))
    for row, part in enumerate(parts):
        lengths.setdefault(len(part), []).append(row)
    getters = getters_of(kind)
    for length, rows in sorted(lengths.items()):
        if not 0 < length <= LONGEST_NAMED:
            continue
        names = names_of(objects[rows[0]], parts[rows[0]], getters, True)
        if len(rows) == 1:
            say('names', id(objects[rows[0]]), names)
        elif are_alike([objects[row] for row in rows], [parts[row] for row in rows], names):
            say('shapes', address, names)
        else:
            for count, row in enumerate(rows[:MOST_APART]):
                say('names', id(objects[row]), names_of(objects[row], parts[row], getters, count < MOST_OPENED))


def name_dicts():
    """What instances of subclasses of dict refer to beside their items."""
    counts, getters = {}, {}
    for item, length, others in named_dicts:
        kind = id(type(item))
        counts[kind] = counts.get(kind, 0) + 1
        if others and length <= MOST_INDEXED and counts[kind] <= MOST_APART and not over():
            if kind not in getters:
                getters[kind] = getters_of(type(item))
            names = names_of(item, others, getters[kind], counts[kind] <= MOST_OPENED)
            say('names', id(item), [None] * length + names)
    del named_dicts[:]


def name_edges():
    say('shapes', id(CODE_TYPE), [attribute(name) for name in CODE_MEMBERS])
    name_dicts()
    groups = {}
    for objects, kinds in named:
        for item, kind in zip(objects, kinds):
            group = groups.get(kind)
            if group is None:
                groups[kind] = [item]
            elif len(group) < MOST_ALIKE:
                group.append(item)
    del named[:]
    until = monotonic() + SHARE * (DEADLINE - monotonic())
    left = 0
    for address in sorted(groups, key=lambda kind: -len(groups[kind])):
        if monotonic() > until or STATE['dead']:
            left += 1
        else:
            name_type(address, groups[address])
    flush('names')
    flush('shapes')
    if left:
        notice('names-left-out', 'the references of %d types have no names: there was no time for it' % left)
