# cython: auto_pickle=False, autotestdict=False, wraparound=False
# Where the values of a JSON text begin and end, without decoding them.
#
# Knows: strings, brackets, commas and colons (RFC 8259 2). Must not know: what any of it means, or whether a value that
# is passed over is valid: whoever decodes the slices finds that out, and nothing between slices is left unlooked at.
# A result file of twelve hours is read sentence by sentence this way, instead of as one tree seven times its size.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef Py_ssize_t blank(const unsigned char* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    while at < size and (data[at] == c" " or data[at] == c"\n" or data[at] == c"\r" or data[at] == c"\t"):
        at += 1
    return at


cdef Py_ssize_t string_end(const unsigned char* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    # data[at] is the opening quote.
    at += 1
    while at < size:
        if data[at] == c'"':
            return at + 1
        at += 2 if data[at] == c"\\" else 1
    return -1


cdef Py_ssize_t value_end(const unsigned char* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    # -1 where the text ends first, or no value begins here.
    cdef Py_ssize_t depth = 0, start = at
    cdef unsigned char byte
    while at < size:
        byte = data[at]
        if byte == c'"':
            at = string_end(data, at, size)
            if at < 0 or depth == 0:
                return at
            continue
        if byte == c"{" or byte == c"[":
            depth += 1
        elif byte == c"}" or byte == c"]":
            if depth == 0:
                break
            depth -= 1
            if depth == 0:
                return at + 1
        elif depth == 0 and (byte == c"," or byte == c":" or byte <= c" "):
            break
        at += 1
    return at if depth == 0 and at > start else -1


def items(bytes data not None, Py_ssize_t at=0):
    cdef const unsigned char* text = <const unsigned char*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), stop
    cdef bint pairs, value = False
    cdef list spans = []
    if at < 0:
        return None
    at = blank(text, at, size)
    if at >= size or not (text[at] == c"{" or text[at] == c"["):
        return None
    pairs = text[at] == c"{"
    at = blank(text, at + 1, size)
    if at < size and text[at] == (c"}" if pairs else c"]"):
        return spans, at + 1
    while at < size:
        if pairs and not value and text[at] != c'"':
            return None
        stop = value_end(text, at, size)
        if stop < 0:
            return None
        spans.append((at, stop))
        at = blank(text, stop, size)
        if at >= size:
            return None
        value = pairs and not value
        if text[at] == (c":" if value else c","):
            at = blank(text, at + 1, size)
        elif not value and text[at] == (c"}" if pairs else c"]"):
            return spans, at + 1
        else:
            return None
    return None
