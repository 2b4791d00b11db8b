"""An object of every type there is, in every form, and the truth about each of them.

Keeps all of them alive in ZOO by name, writes what `gc.get_referents` and `sys.getsizeof` say of them and of what they
lead to (zoo_oracle.py), then "ready", and waits until standard input ends.
Collections are off: nothing changes any more.

They are made in a thread that has ended: else the frames of tracebacks would lead to those that run.
"""
import gc
import os
import threading
import warnings

import zoo_classes
import zoo_extended
import zoo_library
import zoo_oracle
import zoo_running
import zoo_values
from zoo_sections import SECTIONS

ZOO = {}


def build():
    for make in SECTIONS:
        try:
            made = make()
        except ImportError:
            continue
        for name, value in made.items():
            ZOO[make.__name__ + "." + name] = value
    # Now they are as old as they get; what follows is young.
    gc.collect()
    for name, value in zoo_values.sequences().items():
        ZOO["young." + name] = value


def main():
    warnings.simplefilter("ignore")
    gc.disable()
    builder = threading.Thread(target=build)
    builder.start()
    builder.join()
    del builder
    if "young.typed" not in ZOO:
        os._exit(1)  # threading has said why
    zoo_oracle.tell(ZOO)
    os.write(1, b"ready\n")
    while os.read(0, 100):
        pass
    os._exit(0)


main()
