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

/* A str of UTF-8 that is not all ASCII. Han, kana and the like are put straight into place; Python's own decoder, which
 * grows and widens its result as it goes, takes all else (and says what is wrong with it), and twice as long. */
static inline PyObject *text_decode(const unsigned char *data, Py_ssize_t size) {
    const unsigned char *at = data, *end = data + size;
    Py_ssize_t count = 0;
    unsigned all = 0;
    PyObject *text;
    Py_UCS2 *out;
    for (; at < end; at++)
        count += (*at & 0xc0) != 0x80;
    text = PyUnicode_New(count, 0xffff);
    if (text == NULL)
        return NULL;
    out = PyUnicode_2BYTE_DATA(text);
    for (at = data; at < end; all |= *out++) {
        unsigned code = *at;
        if (code < 0x80) {
            at += 1;
        } else if ((code & 0xf0) == 0xe0 && end - at >= 3 && (at[1] & 0xc0) == 0x80 && (at[2] & 0xc0) == 0x80) {
            code = (code & 0x0f) << 12 | (unsigned)(at[1] & 0x3f) << 6 | (unsigned)(at[2] & 0x3f);
            if (code < 0x800 || (code & 0xf800) == 0xd800)
                break;
            at += 3;
        } else if ((code & 0xe0) == 0xc0 && code >= 0xc2 && end - at >= 2 && (at[1] & 0xc0) == 0x80) {
            code = (code & 0x1f) << 6 | (unsigned)(at[1] & 0x3f);
            at += 2;
        } else {
            break;
        }
        *out = (Py_UCS2)code;
    }
    if (at == end && all > 0xff)
        return text;
    Py_DECREF(text);
    return PyUnicode_DecodeUTF8((const char *)data, size, NULL);
}

#endif
