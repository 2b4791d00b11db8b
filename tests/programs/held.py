"""Structures whose holders are known: what each retains is what their parts say of themselves."""
import json
import sys


class Entry(object):
    __slots__ = ("payload", "note")

    def __init__(self, number):
        self.payload = bytearray(1000 + number)
        self.note = "note %d of an entry" % number


class Twin(object):
    """Two of these hold one thing together."""
    __slots__ = ("shared", "own", "other")


class Node(object):
    __slots__ = ("next",)


class Kept(object):
    __slots__ = ("data",)


def size(*things):
    return sum(map(sys.getsizeof, things))


def twins():
    one, two = Twin(), Twin()
    one.shared = two.shared = bytearray(50000)
    one.own, two.own = bytearray(10), bytearray(20)
    one.other, two.other = two, one
    return one, two


def chain(length):
    head = None
    for _ in range(length):
        node = Node()
        node.next, head = head, node
    return head


REGISTRY = {"users": [Entry(number) for number in range(50)], "others": {"a b": [Entry(50)]}}
ONE, TWO = twins()
HEAD = chain(3000)


def main():
    kept = Kept()
    kept.data = bytearray(70000)
    users = REGISTRY["users"]
    entries = users + REGISTRY["others"]["a b"]
    oracle = {
        "entries": sum(size(entry, entry.payload, entry.note) for entry in entries),
        "entry": [hex(id(users[17])), size(users[17], users[17].payload, users[17].note)],
        "payload": hex(id(users[17].payload)),
        "users": size(users) + sum(size(entry, entry.payload, entry.note) for entry in users),
        "users at": hex(id(users)),
        "twins": size(ONE, TWO, ONE.own, TWO.own, ONE.shared),
        "twin": [hex(id(ONE)), size(ONE, ONE.own)],
        "chain": 3000 * size(HEAD),
        "kept": [hex(id(kept)), size(kept, kept.data)],
    }
    # These would hold what they name.
    del entries, users
    print("oracle " + json.dumps(oracle))
    print("ready")
    sys.stdout.flush()
    sys.stdin.readline()


main()
