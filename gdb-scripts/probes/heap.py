"""Every object: address, type, size, referents, from `gc.get_objects()` by `gc.get_referents` to a fixpoint.

The work is done by loops in C (map, chain, set operations) over chunks: a statement of Python for each object would
take seconds at a million of them. What the edges are called is found afterwards, in heap_names.py.
"""
CHUNK = 50000
# Longer lists of referents are sent in pieces.
MOST_EDGES = 1 << 20
MOST_TEXTS, LONGEST_TEXT = 2000000, 100
TRACKED, FROZEN = 1, 2
# In which way the referents of a type are listed.
ORDINARY, DICT, SEQUENCE, CODE, DICT_SUBCLASS, NAMED, LEAF, CLASS, SIZED = 0, 1, 2, 3, 4, 5, 6, 7, 8
MASKS = [bytes(int(code == way) for code in range(256)) for way in range(16)]
# Py_TPFLAGS_DICT_SUBCLASS, _TYPE_SUBCLASS, _HAVE_GC, _HEAPTYPE, _MANAGED_DICT and _MANAGED_WEAKREF (Include/object.h)
IS_DICT, IS_TYPE, HAS_GC, IS_HEAP_TYPE, PREHEADER = 1 << 29, 1 << 31, 1 << 14, 1 << 9, 3 << 3
CODE_TYPE = type(name_of_type.__code__)
MEMBER, METHOD = type(CODE_TYPE.__dict__['co_name']), type(object.__dict__['__sizeof__'])
base_of, bases_of = type.__dict__['__base__'].__get__, type.__dict__['__bases__'].__get__
GC_HEAD = sys.getsizeof([]) - [].__sizeof__()
getsizeof, items_of, length_of = sys.getsizeof, dict.items, dict.__len__
filterfalse, islice = function('itertools', 'filterfalse'), function('itertools', 'islice')
is_tracked = function('gc', 'is_tracked')
count_elements = function('_collections', '_count_elements')
flatten = chain.from_iterable
# List and tuple visit their items from the last to the first (Objects/listobject.c, tupleobject.c); should that change,
# this does.
BACKWARDS = get_referents([length_of, items_of])[0] is items_of
# What a code object holds, without the attributes that are made when asked for.
CODE_MEMBERS = [name for name, member in sorted(CODE_TYPE.__dict__.items())
                if type(member) is MEMBER and type(member.__get__(name_of_type.__code__)) is not int]
LIBRARIES = any(entry[0] in ('objgraph', 'pympler') and not entry[3] for entry in ORDER['probes'])

seen, known, texted = set(), set(), set()
way_of, sizers, types_by_id = {}, {}, {}
pending, chunks, named, named_dicts = [], [], [], []
tally = {}
counted = {'objects': 0, 'edges': 0, 'sized': 0}


def learn(types):
    """What has to be known of types before their objects are listed: {id: type}."""
    for address, kind in types.items():
        if kind is dict:
            way = DICT
        elif kind is list or kind is tuple:
            way = SEQUENCE
        elif kind is CODE_TYPE:
            way = CODE
        elif flags_of(kind) & IS_DICT:
            way = DICT_SUBCLASS
        elif flags_of(kind) & IS_TYPE:
            way = CLASS
        elif not flags_of(kind) & HAS_GC:
            way = LEAF      # gc.get_referents passes over them (Modules/gcmodule.c)
        else:
            way = NAMED if flags_of(kind) & IS_HEAP_TYPE or has_members(kind) else ORDINARY
        sizer = sizer_of(kind)
        if sizer is not None:
            sizers[address] = sizer
            way |= SIZED
        known.add(address)
        way_of[address] = way
        types_by_id[address] = kind
        if address not in seen:
            seen.add(address)
            pending.append(kind)
    send('types', list(types), list(map(name_of_type, types.values())))


def parts_of_static(kind):
    """What a static type refers to; the collector knows only those on the heap."""
    found = [base_of(kind), bases_of(kind), ready_mro_of(kind)]
    space = ready_dict_of(kind)
    if space is not None:
        found.extend(get_referents(space))
    return [part for part in found if part is not None]


def has_members(kind):
    return any(id(base) in WELL_KNOWN or id(base) in INDEXED or has(map(type, dict_of(base).values()), MEMBER)
               for base in mro_of(kind))


def sizer_of(kind):
    """Where `__sizeof__` is written in Python: the nearest one that is not, and what `sys.getsizeof` adds to it."""
    overridden = False
    for base in mro_of(kind):
        method = dict_of(base).get('__sizeof__')
        if type(method) is METHOD:
            if not overridden:
                return None
            flags = flags_of(kind)
            managed = 16 if sys.version_info >= (3, 11) and flags & PREHEADER else 0
            return method, managed + (GC_HEAD if flags & HAS_GC else 0)
        overridden = overridden or method is not None
    return None


def sizes_of(objects, kinds):
    if not any(map(sizers.__contains__, kinds)):
        return list(map(getsizeof, objects))
    sizes = []
    for item, kind in zip(objects, kinds):
        sizer = sizers.get(kind)
        sizes.append(getsizeof(item) if sizer is None else sizer[0](item) + sizer[1])
    return sizes


def list_all(objects, flags):
    """Sends all of these; says whether there was time for it."""
    for start in range(0, len(objects), CHUNK):
        if over():
            return False
        chunk = objects[start:start + CHUNK]
        if not TWIN and not flags:
            # Plain tuples come this way there, see all_objects().
            mask = list(map(is_tracked, chunk))
            tracked = list(compress(chunk, mask))
            if tracked:
                chunk = [item for item, is_one in zip(chunk, mask) if not is_one]
                list_chunk(tracked, TRACKED)
        list_chunk(chunk, flags)
        send('estimate', len(seen))
    return True


def list_chunk(chunk, flags):
    if chunk:
        types = list(map(type, chunk))
        kinds = list(map(id, types))
        fresh = set(kinds).difference(known)
        if fresh:
            found = dict(zip(kinds, types))
            learn({address: found[address] for address in fresh})
        ways = bytes(map(way_of.__getitem__, kinds))
        for way in set(ways):
            mask = ways.translate(MASKS[way])
            list_alike(way & ~SIZED, list(compress(chunk, mask)), list(compress(kinds, mask)), flags)
        chunks.append(chunk)
        counted['objects'] += len(chunk)


def list_alike(way, objects, kinds, flags):
    """Sends objects whose referents are listed in the same way."""
    # While we do not refer to their parts: a BytesIO counts its bytes only while nobody else does.
    sizes = sizes_of(objects, kinds) if sizers else list(map(getsizeof, objects))
    if way == DICT:
        parts, degrees = None, list(map(length_of, objects))
    elif way == LEAF:
        parts, degrees = (), [0] * len(objects)
    else:
        if way == CLASS:
            parts = [get_referents(item) or parts_of_static(item) for item in objects]
        elif way == CODE:
            parts = [[getattr(item, name) for name in CODE_MEMBERS] for item in objects]
        elif way == DICT_SUBCLASS:
            parts = [list(flatten(items_of(item))) for item in objects]
        else:
            parts = list(map(get_referents, objects))
        degrees = list(map(len, parts))
    if sum(degrees) > MOST_EDGES:
        if len(objects) > 1:
            half = len(objects) // 2
            list_alike(way, objects[:half], kinds[:half], flags)
            list_alike(way, objects[half:], kinds[half:], flags)
            return
        if way in (DICT, SEQUENCE):
            list_in_pieces(way, objects[0], kinds, sizes, flags)
            return
    pairs = None
    if way == DICT:
        pairs = True
        flat = list(flatten(flatten(map(items_of, objects))))
        if 2 * sum(degrees) != len(flat):
            # Another thread ran between the two statements: now object by object.
            parts = [list(flatten(items_of(item))) for item in objects]
            degrees, flat = [len(part) // 2 for part in parts], list(flatten(parts))
    elif way == SEQUENCE and BACKWARDS:
        flat = list(flatten(map(reversed, parts)))
    else:
        if way == DICT_SUBCLASS:
            pairs = [degree // 2 for degree in degrees]
            for item, part in zip(objects, parts):
                there = set(map(id, part))
                others = [other for other in get_referents(item) if id(other) not in there]
                named_dicts.append((item, len(part), others))
                part.extend(others)
            degrees = list(map(len, parts))
        flat = list(flatten(parts))
    if way == NAMED or way == CLASS:
        named.append((objects, kinds))
    del parts
    references = noted(flat)
    if pairs is not None:
        send_texts(references, flat, degrees, pairs)
    send_objects(objects, kinds, sizes, flags, degrees, references, pairs)


def send_objects(objects, kinds, sizes, flags, degrees, references, pairs):
    if LIBRARIES:
        count_elements(tally, zip(kinds, sizes))
    counted['edges'] += len(references)
    send('objects', flags, list(map(id, objects)), kinds, sizes, degrees, references, pairs)


def list_pending():
    """What was found on the way, and what is found on the way through that."""
    while pending:
        batch = list(pending)
        del pending[:]
        if not list_all(batch, 0):
            return False
    return True


def leave_out_interned(interned):
    """The texts that are interned because of us: those after the first of ours that nothing else leads to."""
    texts = list(interned)
    ours = list(filterfalse(seen.__contains__, map(id, texts[texts.index(ORDER['begin']):])))
    seen.update(ours)
    send('ours', ours)


def list_in_pieces(way, item, kinds, sizes, flags):
    """One object with more referents than a record should have."""
    send_objects([item], kinds, sizes, flags, [0], [], True if way == DICT else None)
    if way == DICT:
        source = flatten(items_of(item))
    else:
        found = get_referents(item)
        source = reversed(found) if BACKWARDS else iter(found)
    while not over():
        flat = list(islice(source, MOST_EDGES))
        if not flat:
            break
        references = noted(flat)
        if way == DICT:
            send_texts(references, flat, [len(flat) // 2], True)
        counted['edges'] += len(references)
        send('more', id(item), references)


def noted(flat):
    """The ids of these, those not seen before being noted to be listed later."""
    references = list(map(id, flat))
    # In the order in which they were found: neighbours in memory stay neighbours, which the processor's caches reward.
    found = dict(zip(references, flat))
    fresh = list(filterfalse(seen.__contains__, found))
    seen.update(fresh)
    pending.extend(map(found.__getitem__, fresh))
    return references


def send_texts(references, flat, degrees, pairs):
    """How keys of dicts are written in Python, where that needs nobody's code."""
    if len(texted) > MOST_TEXTS:
        return
    if pairs is True:
        ids, keys = references[::2], flat[::2]
    else:
        ids, keys, start = [], [], 0
        for degree, pair in zip(degrees, pairs):
            ids.extend(references[start:start + 2 * pair:2])
            keys.extend(flat[start:start + 2 * pair:2])
            start += degree
    fresh = list(set(ids).difference(texted))
    if not fresh:
        return
    texted.update(fresh)
    keys = list(map(dict(zip(ids, keys)).__getitem__, fresh))
    kinds = list(map(type, keys))
    for kind in (str, int, bytes, bool, type(None)):
        mask = [other is kind for other in kinds]
        chosen, texts = list(compress(fresh, mask)), list(compress(keys, mask))
        if not chosen:
            continue
        if kind in (str, bytes) and max(map(len, texts)) > LONGEST_TEXT:
            texts = [repr(text) if len(text) <= LONGEST_TEXT else repr(text[:LONGEST_TEXT]) + '...' for text in texts]
        elif kind is int and max(map(int.bit_length, texts)) > 200:
            texts = [repr(text) if text.bit_length() <= 200 else '...' for text in texts]
        else:
            texts = list(map(repr, texts))
        send('texts', chosen, texts)


def list_roots(own):
    """The roots as records; what only frames hold is noted to be listed."""
    modules = [(id(module), name) for name, module in list(items_of(MODULES))
               if type(name) is str and has(mro_of(type(module)), MODULE)]
    ids, functions, names = [], [], []
    for _, frame in stacks():
        while frame is not None:
            found = variables(frame)
            # f_locals may have made the dict: then it is not the target's.
            own.update(map(id, HANDED.pop('made', ())))
            seen.update(own)
            noted([value for _, value in found])
            # Nothing else holds the code of a module that is just executed.
            noted([frame.f_code])
            ids.extend(id(value) for _, value in found)
            functions.extend([name_of_frame(frame)] * len(found))
            names.extend(name for name, _ in found)
            frame = frame.f_back
    interpreter = [(id(MODULES[name]), name) for name in ('builtins', 'sys') if name in MODULES]
    return [('modules', [at for at, _ in modules], [name for _, name in modules]),
            ('locals', ids, functions, names),
            ('interpreter', [at for at, _ in interpreter], [name for _, name in interpreter])]


def probe():
    snapshot, everything, own = HANDED.pop('snapshot'), HANDED.pop('all'), HANDED.pop('own')
    frozen, interned = [], HANDED.pop('interned', None)
    if everything is not None:
        tracked = set(map(id, snapshot))
        frozen = [item for item in everything if id(item) not in tracked and id(item) not in own]
        del tracked, everything
    elif FROZEN_COUNT:
        notice('frozen-not-listed', '%d objects of the permanent generation are listed only where others refer to them'
               % FROZEN_COUNT, 'use `--freeze twin`, where they can be listed')
    if not snapshot:
        notice('roots-only', 'other threads run: only what modules and stacks lead to is listed', 'use `--freeze twin`')
    if not own.isdisjoint(map(id, snapshot)):
        snapshot = [item for item in snapshot if id(item) not in own]
    for ids in (own, map(id, snapshot), map(id, frozen)):
        seen.update(ids)
    if interned is not None:
        # It comes last.
        snapshot = list(compress(snapshot, map(is_not, snapshot, repeat(interned))))
        others = list(compress(frozen, map(is_not, frozen, repeat(interned))))
        flags, frozen = TRACKED if len(others) == len(frozen) else TRACKED | FROZEN, others
        del others
    roots = list_roots(own)
    # The interpreter's own lists refer to some of them.
    send('ours', list(own))
    send('estimate', len(seen))
    complete = list_all(snapshot, TRACKED) and list_all(frozen, TRACKED | FROZEN)
    del snapshot, frozen
    complete = complete and list_pending()
    if complete and interned is not None:
        leave_out_interned(interned)
        complete = list_all([interned], flags) and list_pending()
    del pending[:]
    for record in roots:
        send(*record)
    if not complete:
        truncated('the objects')
    send('heap-end', counted['objects'], counted['edges'], complete)
    if sizers:
        notice('sizeof-in-python', '%s a `__sizeof__` written in Python, which was not called: the sizes are those of '
               'the type in C below' % ('1 type has' if len(sizers) == 1 else '%d types have' % len(sizers)))
    if len(texted) > MOST_TEXTS:
        notice('keys-left-out', 'of the keys of dicts only %d are written down' % len(texted))
    if LIBRARIES:
        HANDED['shown'] = choose_shown()
    HANDED['count'] = counted['objects']
    for ids in (seen, texted, tally, chunks):
        ids.clear()
    name_edges()


def choose_shown():
    """The largest object of each type to be shown: of the ORDER['largest'] types with most bytes and of those named."""
    totals, largest = {}, {}
    for (kind, size), count in tally.items():
        totals[kind] = totals.get(kind, 0) + size * count
        largest[kind] = max(size, largest.get(kind, 0))
    ranked = sorted(totals, key=lambda kind: (-totals[kind], kind))
    chosen = ranked[:ORDER['largest']]
    for kind in ranked[ORDER['largest']:]:
        name = name_of_type(types_by_id[kind])
        if any(name == asked or name.endswith('.' + asked) for asked in ORDER['types']):
            chosen.append(kind)
    wanted = {(kind, largest[kind]) for kind in chosen}
    best = {}
    for chunk in chunks:
        kinds = list(map(id, map(type, chunk)))
        mask = list(map(set(chosen).__contains__, kinds))
        if True in mask:
            objects, kinds = list(compress(chunk, mask)), list(compress(kinds, mask))
            mask = list(map(wanted.__contains__, zip(kinds, sizes_of(objects, kinds))))
            for kind, item in zip(compress(kinds, mask), compress(objects, mask)):
                if kind not in best or id(item) < id(best[kind]):
                    best[kind] = item
    return [best[kind] for kind in chosen if kind in best]
