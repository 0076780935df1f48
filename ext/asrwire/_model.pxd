cdef class _Value:
    cdef tuple _fields(self)


cdef class Word(_Value):
    cdef readonly object begin_time
    cdef readonly object end_time
    cdef readonly str text
    cdef readonly str punctuation
    cdef readonly object fixed
    cdef readonly object speaker_id


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


cdef class Usage(_Value):
    cdef readonly object seconds
    cdef readonly object input_tokens
    cdef readonly object audio_tokens
    cdef readonly object output_tokens
    cdef readonly object total_tokens
    cdef readonly dict raw
