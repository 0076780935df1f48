# cython: auto_pickle=False, autotestdict=False, wraparound=False
# Where the values of a JSON text begin and end, without decoding them.
#
# Knows: strings, brackets, commas and colons (RFC 8259 2). Must not know: what any of it means, or whether a value that
# is passed over is valid: whoever decodes the slices finds that out, and nothing between slices is left unlooked at.
# A result file of twelve hours is read sentence by sentence this way, instead of as one tree seven times its size.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef json_at value_end(json_at at, json_at end) noexcept:
    # NULL where the text ends first, or no value begins here.
    cdef json_at start = at
    cdef int flags
    if at < end and at[0] == c'"':
        at = json_string_end(at + 1, end, &flags)
        if at != NULL:
            at += 1
        return at
    if at < end and (at[0] == c"{" or at[0] == c"["):
        return json_skip_container(at, end)
    while at < end and at[0] > c" " and at[0] not in b',:]}"[{':
        at += 1
    return at if at > start else NULL


def items(bytes data not None, Py_ssize_t at=0):
    cdef json_at text = <json_at>PyBytes_AS_STRING(data), end = text + PyBytes_GET_SIZE(data), here, stop
    cdef bint pairs, value = False
    cdef int more
    cdef list spans = []
    if not 0 <= at < PyBytes_GET_SIZE(data):
        return None
    here = json_space(text + at, end)
    pairs = here < end and here[0] == c"{"
    here = json_open(here, end, c"{" if pairs else c"[", c"}" if pairs else c"]", &more)
    while here != NULL and more:
        if pairs and not value and (here >= end or here[0] != c'"'):
            return None
        stop = value_end(here, end)
        if stop == NULL:
            return None
        spans.append((here - text, stop - text))
        here = json_space(stop, end)
        value = pairs and not value
        if here < end and here[0] == (c":" if value else c","):
            here = json_space(here + 1, end)
        elif not value and here < end and here[0] == (c"}" if pairs else c"]"):
            here, more = here + 1, False
        else:
            return None
    return None if here == NULL else (spans, here - text)
