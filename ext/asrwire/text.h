/* Comparing pieces of str objects where they lie: a loop over characters in Cython asks each object for its kind at
 * every step, which made these two a quarter of a partial's cost. */
#ifndef ASRWIRE_TEXT_H
#define ASRWIRE_TEXT_H

#include <Python.h>
#include <string.h>

/* Whether piece[first:last] stands in the text at `at`. */
static inline int text_stands(PyObject *text, Py_ssize_t at, PyObject *piece, Py_ssize_t first, Py_ssize_t last) {
    int kind = PyUnicode_KIND(text), piece_kind = PyUnicode_KIND(piece);
    const char *data = (const char *)PyUnicode_DATA(text), *piece_data = (const char *)PyUnicode_DATA(piece);
    if (last - first > PyUnicode_GET_LENGTH(text) - at)
        return 0;
    if (kind == piece_kind && last - first > 8)
        return memcmp(data + at * kind, piece_data + first * kind, (size_t)((last - first) * kind)) == 0;
    for (; first < last; first++, at++)
        if (PyUnicode_READ(kind, data, at) != PyUnicode_READ(piece_kind, piece_data, first))
            return 0;
    return 1;
}

/* Length of the longest common prefix, given that the first `from` characters are alike. */
static inline Py_ssize_t text_common(PyObject *a, PyObject *b, Py_ssize_t from) {
    int kind = PyUnicode_KIND(a), other = PyUnicode_KIND(b);
    const char *a_data = (const char *)PyUnicode_DATA(a), *b_data = (const char *)PyUnicode_DATA(b);
    Py_ssize_t at = from, size = PyUnicode_GET_LENGTH(a);
    if (PyUnicode_GET_LENGTH(b) < size)
        size = PyUnicode_GET_LENGTH(b);
    if (kind == other) {
        Py_ssize_t step = 16 / kind;
        while (size - at >= step && memcmp(a_data + at * kind, b_data + at * kind, 16) == 0)
            at += step;
    }
    while (at < size && PyUnicode_READ(kind, a_data, at) == PyUnicode_READ(other, b_data, at))
        at++;
    return at;
}

#endif
