"""The state of the garbage collector, as it was when the probes began."""


def probe():
    garbage = {}
    module = MODULES.get('gc') if type(MODULES.get('gc')) is MODULE else load('gc')
    for item in list(module.__dict__.get('garbage', ())):
        name = name_of_type(type(item))
        garbage[name] = garbage.get(name, 0) + 1
    return {
        'enabled': WAS_ENABLED,
        'counts': list(GC_COUNTS),
        'thresholds': list(function('gc', 'get_threshold')()),
        'stats': function('gc', 'get_stats')(),
        'garbage': garbage,
        'frozen': FROZEN_COUNT,
    }
