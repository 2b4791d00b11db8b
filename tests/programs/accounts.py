"""Memory of one kind, by the first argument; writes what it knows of it, then "ready", and waits for the end of standard input.

The oracle: what malloc says of itself (`mallinfo2` or `mallinfo`), what pymalloc says (`sys._debugmallocstats`), and what was
allocated by hand.
"""
import ctypes
import json
import mmap
import os
import re
import sys
import tempfile
import threading
import time

MIB = 1 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
FIELDS = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()


def touched(size):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block


def malloc_says():
    name, kind = ('mallinfo2', ctypes.c_size_t) if hasattr(libc, 'mallinfo2') else ('mallinfo', ctypes.c_int)
    call = getattr(libc, name)
    call.restype = type('Info', (ctypes.Structure,), {'_fields_': [(field, kind) for field in FIELDS]})
    info = call()
    return {field: getattr(info, field) for field in FIELDS}


def pymalloc_says():
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        sys._debugmallocstats()
        os.dup2(before, 2)
        os.close(before)
        file.seek(0)
        text = file.read().decode()

    def number(name):
        found = re.search(name + r'[^=\n]*= *([0-9,]+)', text)
        return int(found.group(1).replace(',', '')) if found else 0
    return {'arenas': number('# arenas allocated current'), 'in_use': number('# bytes in allocated blocks'),
            'free': number('# bytes in available blocks')}


def plain():
    return None


def leak():
    """64 MiB in small blocks that nobody has any more."""
    for _ in range(64 * MIB // 1024):
        touched(1000)
    return {'allocated': 64 * MIB // 1024 * 1000}


def leak_in_thread():
    """The same in another arena than the main one."""
    thread = threading.Thread(target=leak)
    thread.start()
    thread.join()
    # It may be joined before the system's thread has ended, which loads a library at its end.
    while len(os.listdir('/proc/self/task')) > 1:
        time.sleep(0.001)
    return {'allocated': 64 * MIB // 1024 * 1000}


def large():
    """Blocks that malloc maps each for itself."""
    global kept
    kept = [touched(8 * MIB) for _ in range(8)]
    return {'allocated': 64 * MIB}


def fragmented(size):
    """Every other of many blocks is free."""
    global kept
    count = 64 * MIB // (size + 16)
    blocks = [touched(size) for _ in range(count)]
    for block in blocks[::2]:
        libc.free(block)
    kept = blocks[1::2]
    touched(size)
    return {'freed': (count + 1) // 2 * size}


def bytearrays():
    global kept
    kept = [bytearray(b'x') * (16 * MIB) for _ in range(4)]
    return {'allocated': 64 * MIB}


def objects():
    global kept
    kept = [(number, str(number)) for number in range(300000)]
    return {'allocated': sum(map(sys.getsizeof, kept)) + sum(sys.getsizeof(pair[1]) for pair in kept)}


def retained():
    """A million small objects, of which so few are left that most pools are nearly empty."""
    global kept
    every = [(number,) for number in range(1000000)]
    kept = every[::61]
    del every[:]
    return {'freed': 1000000 * sys.getsizeof((1,)) // 2}


def shared():
    global kept
    kept = mmap.mmap(-1, 32 * MIB)
    kept.write(b'x' * (32 * MIB))
    return {'allocated': 32 * MIB}


def stacks():
    """Threads that are deep in C's stack."""
    global kept
    ready, stay = threading.Barrier(9), threading.Event()

    def run(depth):
        if depth:
            return sorted([depth], key=lambda _: run(depth - 1))
        ready.wait()
        stay.wait()
    for _ in range(8):
        threading.Thread(target=run, args=(100,), daemon=True).start()
    ready.wait()
    return {}


def stacks_of_c():
    """Threads that no Python runs in."""
    for _ in range(8):
        thread = ctypes.c_ulong()
        assert libc.pthread_create(ctypes.byref(thread), None, libc.pause, None) == 0
    return {}


def say(text):
    os.write(1, text.encode())


MODES = {'fragmented': lambda: fragmented(1000), 'fragmented-fast': lambda: fragmented(104),
         'leak-in-thread': leak_in_thread, 'stacks-of-c': stacks_of_c}

if __name__ == '__main__':
    made = (MODES.get(sys.argv[1]) or globals()[sys.argv[1]])()
    pymalloc_says()
    malloc_says()
    say('oracle %s\nready\n' % json.dumps({'made': made, 'pymalloc': pymalloc_says(), 'malloc': malloc_says()}))
    while os.read(0, 100):
        pass
