"""Garbage of each kind, and objects that only C code holds; writes how many there are, then "ready", and waits for the end of
standard input.
"""
import ctypes
import gc
import json
import os
import sys


class Waiting:
    def __init__(self):
        self.itself = self


class Finalized(Waiting):
    def __del__(self):
        pass


class Saved(Waiting):
    pass


class Leaked:
    def __init__(self):
        self.payload = Payload()


class Payload:
    pass


class Kept:
    pass


class HeldTwice:
    pass


hold = ctypes.pythonapi.Py_IncRef
hold.argtypes, hold.restype = [ctypes.py_object], None
hold(gc)
gc.collect()
# What was found is kept in the list instead of being freed.
gc.set_debug(gc.DEBUG_SAVEALL)
for _ in range(70):
    Saved()
gc.collect()
gc.set_debug(0)
gc.disable()
for _ in range(200):
    Waiting()
for _ in range(30):
    Finalized()
for _ in range(400):
    hold(Leaked())
KEPT = [Kept() for _ in range(300)]
TWICE = [HeldTwice() for _ in range(150)]
for held in TWICE:
    hold(held)
del held
TRUTH = {'Waiting': 200, 'Finalized': 30, 'Saved': 70, 'Leaked': 400, 'Payload': 400, 'Kept': 300, 'HeldTwice': 150}
os.write(1, ('oracle %s\nready\n' % json.dumps(TRUTH)).encode())
while os.read(0, 100):
    pass
