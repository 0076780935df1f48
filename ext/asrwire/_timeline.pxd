from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset

from ._model cimport Word


cdef extern from "Python.h":
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject** bytes, Py_ssize_t size) except -1


cdef struct Buffer:
    PyObject* bytes
    unsigned char* data
    size_t size, room


cdef inline void drop(Buffer* buffer) noexcept:
    Py_XDECREF(buffer.bytes)
    memset(buffer, 0, sizeof(Buffer))


cdef inline unsigned char* grow(Buffer* buffer, size_t count) except NULL:
    # A buffer is bytes that nobody has seen yet, so that sealing it copies nothing. It doubles, so all is linear.
    cdef size_t room = 2 * buffer.room + 256
    if room - buffer.size < count:
        room = buffer.size + count
    if buffer.bytes == NULL:
        buffer.bytes = new_bytes(NULL, room)
    else:
        _PyBytes_Resize(&buffer.bytes, room)
    buffer.data, buffer.room = <unsigned char*>PyBytes_AS_STRING(<object>buffer.bytes), room
    buffer.size += count
    return buffer.data + buffer.size - count


cdef inline bytes sealed(Buffer* buffer):
    cdef bytes whole = b""
    if buffer.size:
        _PyBytes_Resize(&buffer.bytes, buffer.size)
        whole = <bytes>buffer.bytes
    drop(buffer)
    return whole


cdef inline unsigned char* more(Buffer* buffer, size_t count) except? NULL:
    # `count` more bytes at its end.
    if buffer.room - buffer.size < count:
        return grow(buffer, count)
    buffer.size += count
    return buffer.data + buffer.size - count


cdef class WordColumns:
    cdef Py_ssize_t count
    cdef readonly bytes begin, end, key, at, size, kind, sentence, first, channels, pool
    cdef readonly tuple kinds
    cdef int size_width, kind_width, sentence_width

    cdef bint sound(self) noexcept
    cdef const unsigned char* text_at(self, Py_ssize_t i) noexcept
    cdef Py_ssize_t size_at(self, Py_ssize_t i) noexcept
    cdef uint32_t kind_at(self, Py_ssize_t i) noexcept
    cdef Word word(self, Py_ssize_t i)
    cdef Py_ssize_t sentence_of(self, Py_ssize_t i) noexcept
    cdef int64_t channel_of(self, Py_ssize_t i) noexcept
    cdef WordColumns take(self, numbers)
    cdef WordColumns sorted(self)


cdef class WordWriter:
    cdef Buffer begin, end, key, at, size, kind, text, rest, first, channels
    cdef Py_ssize_t count
    cdef size_t cursor
    cdef int size_width, kind_width
    cdef int32_t last_key
    cdef bint keyed
    cdef dict codes
    cdef list marks

    cdef int reserve(self, size_t size) except -1
    cdef int bounded(self) except -1
    cdef int begin_sentence(self, const unsigned char* text, size_t size) except -1
    cdef int word(self, int32_t begin, int32_t end, const unsigned char* text, size_t size, uint32_t kind) except -1
    cdef int word_of(self, Word word) except -1
    cdef int end_sentence(self, int64_t channel, int32_t begin) except -1
    cdef uint32_t kind_of(self, str punctuation, object fixed, object speaker_id) except? 0xffffffff
    cdef WordColumns seal(self, bytes sentence=*)
