"""What the library `pympler` says: its summary of all objects, the size of each object shown with all it refers to."""
# Processor time measured at 1M objects on 3.11, and doubled; only used to tell whether a budget will do. An object shown
# may hold all the others.
SECONDS_PER_OBJECT = 4e-6
MOST_TYPES = 50


def probe():
    shown, count = HANDED.get('shown', ()), HANDED.get('count', 0)
    if not lasts('pympler', count * SECONDS_PER_OBJECT * (1 + len(shown))):
        return None
    with_library = imported('pympler', 'pympler.muppy', 'pympler.summary', 'pympler.asizeof')
    if with_library is None:
        return None
    pympler, restore = with_library
    try:
        found = {'version': version_of(pympler), 'summary': [], 'asizeof': []}
        rows = MODULES['pympler.summary'].summarize(MODULES['pympler.muppy'].get_objects())
        rows.sort(key=lambda row: (-row[2], row[0]))
        found['summary'] = [list(row[:3]) for row in rows[:MOST_TYPES]]
        del rows
        for item in shown:
            if over():
                notice('left-out', 'pympler: the sizes of %d objects were left out: the time is over'
                       % (len(shown) - len(found['asizeof'])))
                break
            try:
                size = MODULES['pympler.asizeof'].asizeof(item)
            except Exception as error:
                name = name_of_type(type(item))
                notice('probe-failed', 'pympler cannot size a `%s`: %s' % (name, cause_of(error, '')))
            else:
                found['asizeof'].append({'type': name_of_type(type(item)), 'address': hex(id(item)), 'bytes': size})
        return found
    finally:
        restore()
