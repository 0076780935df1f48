cimport cython


cdef class _Value:
    pass


@cython.final
cdef class Word(_Value):
    cdef readonly object begin_time
    cdef readonly object end_time
    cdef readonly str text
    cdef readonly str punctuation
    cdef readonly object fixed
    cdef readonly object speaker_id


@cython.final
cdef class Sentence(_Value):
    cdef readonly Py_ssize_t index
    cdef readonly object sentence_id
    cdef readonly Py_ssize_t channel_id
    cdef readonly object begin_time
    cdef readonly object end_time
    cdef readonly str text
    cdef readonly tuple words
    cdef readonly str language
    cdef readonly str emotion
    cdef readonly object speaker_id
    cdef readonly bint final
    cdef readonly str finality
    cdef readonly Py_ssize_t revision
    cdef readonly bytes raw


@cython.final
cdef class Usage(_Value):
    cdef readonly object seconds
    cdef readonly object input_tokens
    cdef readonly object audio_tokens
    cdef readonly object output_tokens
    cdef readonly object total_tokens
    cdef readonly dict raw


@cython.final
cdef class Partial(_Value):
    cdef readonly Sentence sentence
    cdef readonly Py_ssize_t stable
    cdef readonly Py_ssize_t kept


@cython.final
cdef class Final(_Value):
    cdef readonly Sentence sentence
    cdef readonly object usage
    cdef readonly Py_ssize_t kept


@cython.final
cdef class TextDelta(_Value):
    cdef readonly str text
    cdef readonly Py_ssize_t offset


cdef bint place(str text, Word word, Py_ssize_t* at, Py_ssize_t* start, Py_ssize_t* stop)
