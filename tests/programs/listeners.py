"""The classic leak: listeners that are never taken away. For every number on standard input, so many more of them; beside
them what comes and goes, and what comes once."""
import json
import sys


class Marker(object):
    __slots__ = ("note",)

    def __init__(self):
        self.note = bytearray(1000)


class Request(object):
    """The ten most recent ones are kept."""
    __slots__ = ("body",)

    def __init__(self):
        self.body = bytearray(500)


class Once(object):
    __slots__ = ("table",)


class Bus(object):
    def __init__(self):
        self.listeners = []
        self.last = None
        self.recent = []
        self.once = None


BUS = Bus()


def serve(requests):
    for _ in range(requests):
        BUS.listeners.append(Marker())
        BUS.recent = (BUS.recent + [Request()])[-10:]
    BUS.last = BUS.listeners[-1]


def where():
    retained = sum(sys.getsizeof(marker) + sys.getsizeof(marker.note) for marker in BUS.listeners)
    addresses = {"bus": hex(id(BUS)), "listeners": hex(id(BUS.listeners))}
    return json.dumps(dict(addresses, count=len(BUS.listeners), retained=retained, marker=sys.getsizeof(BUS.last)))


serve(17)
print("oracle " + where())
print("ready")
sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
    serve(int(line))
    if BUS.once is None:
        BUS.once = Once()
        BUS.once.table = bytearray(100000)
    print(line.strip() + " " + where())
    sys.stdout.flush()
