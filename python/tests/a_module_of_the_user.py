"""A module that is not installed where workers run, as somebody has one beside a script."""

MORE = 2


def count_and_add(group):
    return {"n": _more(len(group))}


def _more(count):
    return count + MORE
