"""What the sections of the zoo have in common."""
import sys

VERSION = sys.version_info[:2]
SECTIONS = []


def section(make):
    """A function whose local variables go into the zoo."""
    SECTIONS.append(make)
    return make


def lines(text):
    """The variables that a piece of newer syntax makes."""
    space = {"__name__": "__main__"}
    exec(text, space)
    del space["__builtins__"]
    return space
