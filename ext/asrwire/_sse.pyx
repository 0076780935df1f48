# cython: auto_pickle=False, autotestdict=False, wraparound=False
# Event streams: WHATWG HTML 9.2.5 (parsing) and 9.2.6 (interpreting), incremental at any byte.
#
# Knows: lines, fields, blocks, dispatch. Must not know: what the data means (`ServerSentEvent.json` only hands it to
# orjson), sockets, the service. Names are the standard's.
#
# Each byte is looked at once for the end of its line and copied at most once: a data line that lies whole in the input
# is never copied before the event is made; lines cut by the end of an input and data of several lines go through
# growing buffers, so every feeding pattern is linear. Data stays bytes until `.data` is asked for: building the str
# costs more than all framing for Chinese text.

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy

from ._errors import Closed, ConfigError, DecodeError, LimitExceeded


cdef extern from "Python.h":
    str PyUnicode_DecodeUTF8(const char* s, Py_ssize_t size, const char* errors)
    const char* utf8_of "PyUnicode_AsUTF8AndSize"(str text, Py_ssize_t* size) except NULL
    int PyErr_CheckSignals() except -1


cdef extern from "lines.h":
    const char* line_end(const char* at, const char* end, const char** lf) noexcept


cdef enum:
    BOM_DONE = 4
    ASK_EVERY = 1024 * 1024     # bytes of one input after which Ctrl-C is asked for
    MAX_RETRY_DIGITS = 640      # the least that int() is sure to accept, whatever the interpreter is set to

cdef const char* BOM = b"\xef\xbb\xbf"
cdef bytes NO_ID = b""
cdef tuple NO_COMMENTS = ()


cdef str decode(const char* data, Py_ssize_t size):
    # UTF-8 decode with U+FFFD per maximal subpart (WHATWG Encoding, "UTF-8 decode"); lines are cut at ASCII bytes,
    # so decoding a line alone gives what decoding the whole stream would.
    return PyUnicode_DecodeUTF8(data, size, b"replace")


cdef str decode_bytes(bytes data):
    # An event that no parser made has no bytes.
    return "" if data is None else decode(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef inline bint named(const char* line, Py_ssize_t size, const char* name, Py_ssize_t length) noexcept:
    # Whether the field's name, what stands before the first colon, is `name`. With constants for the last two, this is
    # one compare of a word; looking for the colon first costs a call a line.
    return size >= length and memcmp(line, name, length) == 0 and (size == length or line[length] == c":")


cdef int grow(char** buffer, Py_ssize_t* room, Py_ssize_t size) except -1:
    cdef Py_ssize_t wanted = room[0] if room[0] > 0 else 256
    cdef char* moved
    if size <= room[0]:
        return 0
    while wanted < size:
        wanted *= 2
    moved = <char*>realloc(buffer[0], wanted)
    if moved == NULL:
        raise MemoryError
    buffer[0] = moved
    room[0] = wanted
    return 0


@cython.final
@cython.no_gc       # its fields cannot refer back to it
@cython.freelist(64)
cdef class ServerSentEvent:
    @property
    def data(self):
        if self._data is None:
            self._data = decode_bytes(self.data_bytes)
        return self._data

    @property
    def id(self):
        return decode_bytes(self._id)

    def json(self):
        import orjson
        try:
            return orjson.loads(self.data_bytes)
        except orjson.JSONDecodeError:
            pass
        try:
            return orjson.loads(self.data)      # bad UTF-8 is U+FFFD here, as the standard reads it
        except orjson.JSONDecodeError as error:
            offset = len(self.data[:error.pos].encode())        # orjson counts characters
            raise DecodeError(f"the data of this event is not JSON: {error.msg} at offset {offset}",
                              offset=offset) from None

    def __repr__(self):
        return (f"ServerSentEvent(event={self.event!r}, data={self.data!r}, id={self.id!r}, retry={self.retry!r}, "
                f"comments={self.comments!r})")


cdef class EventStreamParser:
    def __cinit__(self, max_event_size=8 * 1024 * 1024, max_event_lines=65536):
        try:
            self.max_event_size = max_event_size
            self.max_event_lines = max_event_lines
        except OverflowError:
            self.max_event_size = 0
        if self.max_event_size < 1 or self.max_event_lines < 1:
            raise ConfigError("max_event_size and max_event_lines must be at least 1 and at most sys.maxsize")
        self.known_type = "message"
        self.type_utf8 = utf8_of(self.known_type, &self.type_size)
        self.comment_size = -1
        self.reset()

    def __dealloc__(self):
        free(self.line)
        free(self.data)

    @property
    def last_event_id(self):
        return decode_bytes(self.last_id)

    def feed(self, data):
        cdef list out = []
        self.take_input(data, out)
        return out

    cdef int take_input(self, data, list out) except -1:
        cdef Py_buffer view
        if isinstance(data, str):
            raise TypeError("feed() takes bytes, not str")
        self.enter()
        try:
            if self.closed:
                raise Closed("this parser was closed; reset() makes it ready for another stream")
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            self.closed = True      # left half way (no memory), the place in the stream would be lost
            try:
                self.parse(<const char*>view.buf, view.len, out)
            finally:
                PyBuffer_Release(&view)
            self.closed = False
        except LimitExceeded as error:
            error.output = out
            self.error = error
            raise
        finally:
            self.view = NULL        # it points into this call's input
            self.busy = False
        return 0

    def close(self, flush=False):
        cdef list out = []
        self.enter()
        try:
            if self.closed:
                return out
            self.closed = True
            if flush:
                self.input = NULL
                if self.line_size:
                    self.process_line(self.line, self.line_size, False, out)
                    self.line_size = 0
                self.dispatch(out)
            return out
        except LimitExceeded as error:
            error.output = out
            self.error = error
            raise
        finally:
            self.busy = False

    def reset(self):
        if self.busy:
            raise Closed("this parser is in use")
        self.clear_block()
        self.reconnection_time = None
        self.comments_seen = 0
        self.offset = 0
        self.line_start = 0
        self.line_size = 0
        self.id_buffer = NO_ID
        self.last_id = NO_ID
        self.bom = 0
        self.swallow_lf = False
        self.closed = False
        self.error = None

    def __reduce__(self):
        raise TypeError("a parser holds a place in a stream: it is neither copied nor pickled")

    cdef int enter(self) except -1:
        # A finaliser or another thread may come in while objects are made; the buffers are in use then.
        if self.busy:
            raise Closed("this parser is in use: one parser serves one stream in one thread")
        if self.error is not None:
            raise self.error._again() from None
        self.busy = True
        return 0

    cdef int parse(self, const char* data, Py_ssize_t size, list out) except -1:
        cdef const char* at = data
        cdef const char* end = data + size
        cdef const char* lf = data - 1
        cdef const char* stop
        cdef const char* asked = data
        self.input = data
        while self.bom < 3 and at < end:
            if at[0] == BOM[self.bom]:
                at += 1
                self.bom += 1
            else:
                if self.bom:        # it only looked like one: what was held back is the start of the first line
                    grow(&self.line, &self.line_room, 3)
                    memcpy(self.line, BOM, self.bom)
                    self.line_size = self.bom
                self.bom = BOM_DONE
        if self.bom == 3:
            self.bom = BOM_DONE
            self.line_start = 3
        while at < end:
            if self.swallow_lf:
                self.swallow_lf = False
                if at[0] == c"\n":
                    at += 1
                    self.line_start += 1
                    continue
            stop = line_end(at, end, &lf)
            if stop == end:
                self.check_size(self.line_size + (end - at))
                grow(&self.line, &self.line_room, self.line_size + (end - at))
                memcpy(self.line + self.line_size, at, end - at)
                self.line_size += end - at
                break
            if self.line_size:
                self.check_size(self.line_size + (stop - at))
                grow(&self.line, &self.line_room, self.line_size + (stop - at))
                memcpy(self.line + self.line_size, at, stop - at)
                self.process_line(self.line, self.line_size + (stop - at), False, out)
                self.line_size = 0
            else:
                self.process_line(at, stop - at, True, out)
            at = stop + 1
            if stop[0] == c"\r":
                if at < end and at[0] == c"\n":
                    at += 1
                else:
                    self.swallow_lf = at == end
            self.line_start = self.offset + (at - data)
            if at - asked > ASK_EVERY:
                asked = at
                PyErr_CheckSignals()
        if self.view != NULL:
            stop = self.view
            self.view = NULL
            self.append_data(stop, self.view_size)
        self.offset += size
        return 0

    cdef int check_size(self, Py_ssize_t open_line) except -1:
        # max_event_size binds the open line too, terminated or not; the offset is the first byte over it, so that the
        # error is the same for every way the stream is cut.
        if self.stored + open_line > self.max_event_size:
            raise LimitExceeded(
                f"an event is larger than max_event_size ({self.max_event_size} bytes) at offset "
                f"{self.line_start + self.max_event_size - self.stored}",
                offset=self.line_start + self.max_event_size - self.stored)
        return 0

    cdef int process_line(self, const char* line, Py_ssize_t size, bint in_input, list out) except -1:
        if size == 0:
            return self.dispatch(out)
        if self.stored + size > self.max_event_size:
            self.check_size(size)
        self.lines += 1
        if self.lines > self.max_event_lines:
            raise LimitExceeded(
                f"an event has more than max_event_lines ({self.max_event_lines}) lines at offset {self.line_start}",
                offset=self.line_start)
        if line[0] == c":":
            self.comments_seen += 1
            self.stored += size - 1
            if self.comment_size != size - 1 or memcmp(self.comment_utf8, line + 1, size - 1) != 0:
                self.comment_size = -1      # whatever fails below, nothing is compared with a string that is gone
                self.known_comment = decode(line + 1, size - 1)
                self.known_comments = (self.known_comment,)
                self.comment_utf8 = utf8_of(self.known_comment, &self.comment_size)
            if self.comments is None:
                self.comments = self.known_comments
            else:
                if self.block_comments is None:
                    self.block_comments = list(self.comments)
                self.block_comments.append(self.known_comment)
            return 0
        self.fields += 1
        return self.process_field(line, size, in_input, out)

    cdef int process_field(self, const char* line, Py_ssize_t size, bint in_input, list out) except -1:
        # The name is what stands before the first colon; one space after the colon is not part of the value.
        cdef Py_ssize_t name, i
        cdef const char* value
        if named(line, size, b"data", 4):
            name = 4
        elif named(line, size, b"id", 2):
            name = 2
        elif named(line, size, b"event", 5) or named(line, size, b"retry", 5):
            name = 5
        else:
            return 0
        value = line + name
        size -= name
        if size:
            value += 1
            size -= 1
            if size and value[0] == c" ":
                value += 1
                size -= 1
        if name == 4:
            self.stored += size + 1
            if not self.has_data and in_input:
                self.view = value
                self.view_size = size
            else:
                if self.view != NULL:
                    self.append_data(self.view, self.view_size)
                    self.view = NULL
                self.append_data(value, size)
            self.has_data = True
        elif line[0] == c"e":
            if self.type_size != size or memcmp(self.type_utf8, value, size) != 0:
                self.type_size = -1
                self.known_type = decode(value, size)
                self.type_utf8 = utf8_of(self.known_type, &self.type_size)
            self.event_type = self.known_type
        elif name == 2:
            if self.id_starts_event and self.has_data:
                self.dispatch(out)
                self.lines = self.fields = 1
            if memchr(value, 0, size) == NULL:
                self.id_buffer = PyBytes_FromStringAndSize(value, size)
        else:
            for i in range(size):
                if not c"0" <= value[i] <= c"9":
                    return 0
            digits = PyBytes_FromStringAndSize(value, size).lstrip(b"0") or b"0"
            if size and len(digits) <= MAX_RETRY_DIGITS:
                self.retry = self.reconnection_time = int(digits)
        return 0

    cdef int append_data(self, const char* value, Py_ssize_t size) except -1:
        grow(&self.data, &self.data_room, self.data_size + size + 1)
        memcpy(self.data + self.data_size, value, size)
        self.data[self.data_size + size] = c"\n"
        self.data_size += size + 1
        return 0

    cdef int dispatch(self, list out) except -1:
        self.last_id = self.id_buffer
        if self.view != NULL:
            self.on_event(self.view, self.view_size, out)
        elif self.has_data:
            self.on_event(self.data, self.data_size - 1, out)
        elif self.lines == 0:
            return 0
        return self.clear_block()

    cdef int on_event(self, const char* data, Py_ssize_t size, list out) except -1:
        # The seam for parsers that read the data in place: nothing was allocated for this event yet, and a line break
        # follows its last byte.
        out.append(self.make_event(data, size))
        return 0

    cdef ServerSentEvent make_event(self, const char* data, Py_ssize_t size):
        cdef ServerSentEvent event = ServerSentEvent.__new__(ServerSentEvent)
        event.data_bytes = PyBytes_FromStringAndSize(data, size)
        event.event = self.event_type if self.event_type else "message"
        event._id = self.last_id
        event.retry = self.retry
        event.comments = self.take_comments()
        return event

    cdef tuple take_comments(self):
        if self.comments is None:
            return NO_COMMENTS
        if self.block_comments is None:
            return self.comments
        return tuple(self.block_comments)

    cdef int clear_block(self) except -1:
        self.view = NULL
        self.data_size = 0
        self.has_data = False
        self.stored = 0
        self.lines = 0
        self.fields = 0
        self.comments = None
        self.block_comments = None
        self.event_type = None
        self.retry = None
        return 0


cdef class ResultEventParser(EventStreamParser):
    # Event streams of the recognition services. Older gateways leave out the blank lines between events, so an `id`
    # line after data starts a new event; a stream that follows the standard has no such block.

    def __cinit__(self, max_event_size=8 * 1024 * 1024, max_event_lines=65536):
        self.id_starts_event = True

    @property
    def unfinished(self):
        # Whether a block or line other than comments was begun and not ended.
        return self.fields > 0 or (self.line_size > 0 and self.line[0] != c":")
