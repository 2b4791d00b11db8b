"""A probe of a user's own: how many objects there are of each name that he cares for."""
emit({"entries": sum(1 for thing in objects if type(thing).__name__ == "Entry"), "text": "häßlich"})
