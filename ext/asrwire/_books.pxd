from ._model cimport Sentence


cdef class Open:
    cdef readonly tuple key
    cdef public Sentence sentence
    cdef public object heard
    cdef public str shown
    cdef bytes unread               # the newest event, where that was passed over undecoded
    cdef bint passed_over           # there is one, here or still in the input


cdef class Done:
    cdef readonly tuple key
    cdef readonly object heard
    cdef public Sentence sentence
    cdef public Done into


cdef class Channel:
    cdef public object open
    cdef public Py_ssize_t count
    cdef readonly list begins
    cdef readonly list finals
    cdef public object last_id
    cdef public long long newest
    cdef Py_ssize_t passed_over     # open sentences that are


cdef class Books:
    cdef readonly object issues
    cdef readonly bint partials
    cdef readonly dict finals
    cdef readonly dict open
    cdef readonly dict done
    cdef readonly dict chains
    cdef readonly dict channels
    cdef public Py_ssize_t events
    cdef public str request_id
    cdef public object usage
    cdef public str running_text
    cdef readonly list pieces
    cdef public Py_ssize_t text_size
    cdef public bytes text_raw
    cdef Py_ssize_t indexes

    cpdef Py_ssize_t new_index(self)
    cpdef Channel channel(self, channel_id)
