"""What the library `objgraph` says: objects by type, their growth, the chain from a module to each object shown."""
# Processor time measured at 1M objects on 3.11, and doubled; only used to tell whether a budget will do. A chain takes a
# pass over all objects for each object tried: a near module is found in one, ten are allowed for.
SECONDS_PER_OBJECT = 2.5e-7
SECONDS_PER_CHAIN_AND_OBJECT = 10 * 1.2e-7
MOST_TYPES, LONGEST_CHAIN = 50, 20


def probe():
    shown, count = HANDED.get('shown', ()), HANDED.get('count', 0)
    if not lasts('objgraph', count * (SECONDS_PER_OBJECT + SECONDS_PER_CHAIN_AND_OBJECT * len(shown))):
        return None
    with_library = imported('objgraph')
    if with_library is None:
        return None
    objgraph, restore = with_library
    try:
        found = {'version': version_of(objgraph), 'typestats': {}, 'growth': [], 'chains': []}
        stats = objgraph.typestats(get_objects(), shortnames=False)
        most = sorted(stats.items(), key=lambda item: (-item[1], item[0]))[:MOST_TYPES]
        found['typestats'] = dict(most)
        # Its own record of the last time would be the target's: this one begins empty.
        found['growth'] = [list(row) for row in objgraph.growth(limit=MOST_TYPES, peak_stats={}, shortnames=False)]
        for item in shown:
            if over():
                notice('left-out', 'objgraph: the chains of %d objects were left out: the time is over'
                       % (len(shown) - len(found['chains'])))
                break
            own = set(map(id, (shown, HANDED, found, sys._getframe())))
            chain = objgraph.find_backref_chain(
                item, objgraph.is_proper_module, max_depth=LONGEST_CHAIN, extra_ignore=own)
            found['chains'].append({'type': name_of_type(type(item)), 'address': hex(id(item)),
                                    'chain': [[name_of_type(type(link)), hex(id(link))] for link in chain]})
            del chain
        return found
    finally:
        restore()
