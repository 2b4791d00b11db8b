"""Every thread's name and Python stack, with the types of the local variables, without their values."""
MOST_FRAMES, MOST_LOCALS = 500, 200


def names():
    """{ident: name} as `threading` has them, without asking it: its property is Python code."""
    found = {}
    threading = MODULES.get('threading')
    active = dict.get(threading.__dict__, '_active') if type(threading) is MODULE else None
    for ident, thread in list(dict.items(active)) if type(active) is dict else []:
        try:
            name = instance_value(thread, '_name')
        except AttributeError:
            continue
        if type(name) is str and type(ident) is int:
            found[ident] = name
    return found


def probe():
    named, threads = names(), []
    for ident, frame in stacks():
        frames = []
        while frame is not None and len(frames) < MOST_FRAMES:
            code = frame.f_code
            frames.append({
                'function': name_of_frame(frame),
                'file': code.co_filename,
                'line': frame.f_lineno or 0,
                'locals': [{'name': name, 'type': name_of_type(type(value))}
                           for name, value in variables(frame)[:MOST_LOCALS]],
            })
            frame = frame.f_back
        threads.append({'ident': ident, 'name': named.get(ident, ''), 'frames': frames})
    HANDED.pop('made', None)
    threads.sort(key=lambda thread: thread['ident'])
    send('threads', plain(threads))
