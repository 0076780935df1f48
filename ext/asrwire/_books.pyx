# cython: auto_pickle=False, autotestdict=False
# The books of one stream: the state that the two readers of events share, the readable one (`Assembler`, after orjson)
# and the direct one (`_direct`).
#
# Knows: which sentences are open, which are final, and what belongs to the stream as a whole. Must not know: how events
# are read, or which sentence an event belongs to: its readers keep the books, it only holds them.

cdef class Open:
    # A sentence begun and not final.
    def __cinit__(self, tuple key not None, Sentence sentence not None, heard, str shown not None):
        self.key = key
        self.sentence = sentence
        self.heard = heard
        self.shown = shown


cdef class Done:
    # A final sentence.
    def __cinit__(self, tuple key not None, heard, Sentence sentence not None):
        self.key = key
        self.heard = heard
        self.sentence = sentence


cdef class Channel:
    def __cinit__(self):
        self.begins = []
        self.finals = []
        self.newest = -1


cdef class Books:
    def __cinit__(self, issues not None, bint partials=True):
        self.issues = issues
        self.partials = partials
        self.finals = {}
        self.open = {}
        self.done = {}
        self.chains = {}
        self.channels = {}
        self.pieces = []

    cpdef Py_ssize_t new_index(self):
        self.indexes += 1
        return self.indexes - 1

    cpdef Channel channel(self, channel_id):
        found = self.channels.get(channel_id)
        if found is None:
            self.channels[channel_id] = found = Channel()
        return found
