cimport cython


cdef class ServerSentEvent:
    cdef readonly bytes data_bytes
    cdef readonly str event
    cdef readonly object retry
    cdef readonly tuple comments
    cdef bytes _id
    cdef str _data


cdef class EventStreamParser:
    cdef readonly object reconnection_time
    cdef readonly Py_ssize_t comments_seen
    cdef Py_ssize_t max_event_size
    cdef Py_ssize_t max_event_lines
    cdef bint id_starts_event       # set by a subclass: an `id` line after data dispatches the event before it
    # The input of this call.
    cdef const char* input
    cdef long long offset           # of input[0] in the stream
    cdef long long line_start       # of the open line in the stream
    # The open line, as far as earlier calls brought it.
    cdef char* line
    cdef Py_ssize_t line_size
    cdef Py_ssize_t line_room
    # The block being read. Its data is either `view` (one line, still in this call's input) or in `data`.
    cdef const char* view
    cdef Py_ssize_t view_size
    cdef char* data
    cdef Py_ssize_t data_size
    cdef Py_ssize_t data_room
    cdef bint has_data
    cdef Py_ssize_t stored          # bytes counted against max_event_size, the open line not included
    cdef Py_ssize_t lines
    cdef Py_ssize_t fields
    cdef tuple comments             # one comment; with more, `block_comments` has them all
    cdef list block_comments
    cdef str event_type
    cdef object retry
    cdef bytes id_buffer
    cdef bytes last_id
    # Between calls.
    cdef int bom                    # bytes of a leading BOM seen; BOM_DONE afterwards
    cdef bint swallow_lf            # the last line ended with CR: an LF that follows belongs to it
    cdef bint closed
    cdef bint busy
    cdef object error
    # Last values, reused while a stream repeats itself.
    cdef str known_type
    cdef const char* type_utf8      # the UTF-8 that `known_type` keeps
    cdef Py_ssize_t type_size
    cdef str known_comment
    cdef const char* comment_utf8
    cdef Py_ssize_t comment_size
    cdef tuple known_comments

    cdef int on_event(self, const char* data, Py_ssize_t size, list out) except -1
    @cython.final
    cdef ServerSentEvent make_event(self, const char* data, Py_ssize_t size)
    @cython.final
    cdef int take_input(self, data, list out) except -1
    cdef int parse(self, const char* data, Py_ssize_t size, list out) except -1
    @cython.final
    cdef int process_line(self, const char* line, Py_ssize_t size, bint in_input, list out) except -1
    @cython.final
    cdef int process_field(self, const char* line, Py_ssize_t size, bint in_input, list out) except -1
    @cython.final
    cdef int dispatch(self, list out) except -1
    @cython.final
    cdef int append_data(self, const char* value, Py_ssize_t size) except -1
    @cython.final
    cdef int check_size(self, Py_ssize_t open_line) except -1
    cdef tuple take_comments(self)
    cdef int clear_block(self) except -1
    cdef int enter(self) except -1


cdef class ResultEventParser(EventStreamParser):
    pass
