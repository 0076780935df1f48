# cython: auto_pickle=False, autotestdict=False, boundscheck=False, wraparound=False, cdivision=True, nonecheck=True
# The sentences of one channel of a result file, as columns, and how they are read straight from the file's bytes.
#
# Knows: the members of a sentence and where a file has its sentences. Must not know: the rest of the file (orjson and
# `_files` read that), errors of files: what is not plain, well-formed and of the right types is left to orjson whole.
# A file of 12 hours is read in 1/20 of the time that orjson and dataclasses take, and no object is made of its words.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from ._model cimport Sentence
from ._scan cimport (
    JSON_COUNT, JSON_ESCAPED, JSON_OUTSIDE, JSON_SAID_NUMBERS, JSON_SAID_TEXT, JSON_SAID_WORDS, JSON_WORD_NUMBERS,
    json_at, json_clear_sentence, json_is, json_named, json_next, json_open, json_piece, json_read_name,
    json_read_said, json_read_text, json_read_word, json_same_speaker, json_same_string, json_sentence,
    json_sentence_members, json_skip_container, json_skip_value, json_space, json_speaker, json_step, json_string,
    json_unescape, json_walk, json_word,
)
from ._timeline cimport Buffer, WordColumns, WordWriter, drop, more, sealed

from array import array
from collections.abc import Sequence
from operator import eq


cdef extern from "Python.h":
    Py_ssize_t clipped "PyNumber_AsSsize_t"(object number, void* overflow) except? -1
    str PyUnicode_DecodeUTF8(const char* data, Py_ssize_t size, const char* errors)


cdef struct Said:
    int64_t sentence_id
    int32_t begin, end
    uint32_t at, size, label
    uint32_t identified         # whether there is a sentence_id


@cython.final
@cython.collection_type("sequence")
cdef class FileSentences:
    # Each `Sentence` is made when it is asked for, and not kept. `labels` are what few different values exist of:
    # (language, emotion, speaker_id, final, finality).
    cdef readonly WordColumns columns       # in the order of the file
    cdef readonly tuple labels
    cdef readonly bint timed
    cdef readonly bint agrees               # the file's own text is theirs, joined; it was left out of the rest
    cdef int64_t channel_id
    cdef readonly Py_ssize_t joined_size    # of their texts, joined, in UTF-8
    cdef Py_ssize_t size
    cdef bytes said, data
    cdef object spans
    cdef WordWriter writer                  # until sealed
    cdef Buffer rows
    cdef dict codes

    def __cinit__(self):
        self.writer, self.codes = WordWriter(), {}

    def __dealloc__(self):
        drop(&self.rows)

    def add(self, heard):
        cdef bytes text = heard.text.encode()
        cdef int32_t begin = INT32_MIN if heard.begin_time is None else heard.begin_time
        cdef int32_t end = INT32_MIN if heard.end_time is None else heard.end_time
        cdef int64_t sentence_id = heard.sentence_id or 0
        cdef int closed = -1 if heard.end is None else heard.end
        cdef uint32_t label = self.label(heard.language, heard.emotion, heard.speaker_id, closed, end)
        self.writer.begin_sentence(<const unsigned char*>PyBytes_AS_STRING(text), len(text))
        for word in heard.words:
            self.writer.word_of(word)
        self.end_sentence(sentence_id, heard.sentence_id is not None, begin, end, len(text), label)

    cdef uint32_t label(self, language, emotion, speaker_id, int closed, int32_t end) except? 0xffffffff:
        # Final unless its sentence_end denies it: nothing more will come.
        cdef str finality = "sentence_end" if closed >= 0 else "end_time" if end != INT32_MIN else None
        return self.codes.setdefault((language, emotion, speaker_id, closed != 0, finality), len(self.codes))

    cdef int end_sentence(self, int64_t sentence_id, bint identified, int32_t begin, int32_t end, size_t size,
                          uint32_t label) except -1:
        cdef Said* said = <Said*>more(&self.rows, sizeof(Said))
        said.sentence_id, said.identified, said.begin, said.end, said.label = sentence_id, identified, begin, end, label
        said.at, said.size = <uint32_t>(self.writer.text.size - size), <uint32_t>size
        self.timed |= begin != INT32_MIN
        return self.writer.end_sentence(0, begin)

    def seal(self, int64_t channel_id):
        # Nothing is added after this.
        self.writer.channels.size = 0
        (<int64_t*>more(&self.writer.channels, 8))[0] = self.channel_id = channel_id
        self.columns, self.writer = self.writer.seal(), None
        self.said = sealed(&self.rows)
        self.labels, self.codes = tuple(self.codes), None
        self.settle()

    cdef int settle(self) except -1:
        # What follows from the columns. They may come from a pickle, and nothing looks again.
        cdef Py_ssize_t size = len(self.said) // sizeof(Said), i
        cdef const uint32_t* first = <const uint32_t*>PyBytes_AS_STRING(self.columns.first)
        cdef size_t joined = 0
        cdef bint sound = (len(self.columns.first) == 4 * (size + 1) and first[size] == len(self.columns)
                           and (self.spans is None or len(self.spans) == 2 * size))
        for i in range(size if sound else 0):
            joined = <size_t>self.at(i).at + self.at(i).size
            sound = sound and not (joined > <size_t>len(self.columns.pool) or self.at(i).label >= len(self.labels)
                                   or first[i] > first[i + 1])
        if not sound:
            raise ValueError("these are not the columns of sentences")
        self.size, self.joined_size = size, joined
        return 0

    def keep_raw(self, bytes data not None, spans):
        # Where in `data` each sentence's JSON is: (start, stop).
        self.data = data
        self.spans = array("Q", [offset for span in spans for offset in span])

    def joined(self):
        return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(self.columns.pool), self.joined_size, NULL)

    def label_numbers(self):
        cdef Py_ssize_t i
        return array("I", [self.at(i).label for i in range(self.size)])

    cdef const Said* at(self, Py_ssize_t i) noexcept:
        return <const Said*>PyBytes_AS_STRING(self.said) + i

    cdef Sentence sentence(self, Py_ssize_t i):
        cdef const Said* said = self.at(i)
        cdef const uint32_t* first = <const uint32_t*>PyBytes_AS_STRING(self.columns.first) + i
        cdef Py_ssize_t k
        cdef Sentence made = Sentence.__new__(Sentence)
        made.index, made.channel_id = i, self.channel_id
        made.sentence_id = said.sentence_id if said.identified else None
        made.begin_time = None if said.begin == INT32_MIN else said.begin
        made.end_time = None if said.end == INT32_MIN else said.end
        made.text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(self.columns.pool) + said.at, said.size, NULL)
        made.words = tuple([self.columns.word(k) for k in range(first[0], first[1])])
        made.language, made.emotion, made.speaker_id, made.final, made.finality = self.labels[said.label]
        if self.spans:
            made.raw = self.data[self.spans[2 * i]:self.spans[2 * i + 1]]
        return made

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        cdef Py_ssize_t number
        if isinstance(i, slice):
            return tuple([self.sentence(number) for number in range(*i.indices(self.size))])
        number = clipped(i, NULL)
        if number < 0:
            number += self.size
        if not 0 <= number < self.size:
            raise IndexError(f"sentence {i} of {self.size}")
        return self.sentence(number)

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self.size):
            yield self.sentence(i)

    def __eq__(self, other):
        if not isinstance(other, (tuple, FileSentences)):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None

    def __repr__(self):
        return f"<{len(self)} sentences of a file>"

    def __reduce__(self):
        return FileSentences, (), (self.columns, self.labels, self.timed, self.channel_id, self.said, self.data,
                                   self.spans)

    def __setstate__(self, tuple state not None):
        self.writer = self.codes = None
        self.size = self.joined_size = 0
        self.columns, self.labels, self.timed, self.channel_id, self.said, self.data, self.spans = state
        self.settle()

    index, count = Sequence.index, Sequence.count


Sequence.register(FileSentences)


# -- from bytes -------------------------------------------------------------------------------------------------------

cdef enum:
    SLOTS = 64                  # 2**(64 - 58)

cdef uint64_t MIX = 0x9e3779b97f4a7c15


cdef struct Slot:               # what a word has beside times and text, where that is short and plain
    uint64_t punctuation, speaker
    uint32_t shape, number      # of which kinds the others are; the word's kind, and one; 0 where the slot is empty


cdef struct Reader:
    json_at start, end
    Buffer scratch
    Slot[SLOTS] slots           # kinds seen: a word finds its own without an object made
    json_word word
    json_piece[JSON_WORD_NUMBERS] word_pieces
    json_piece[JSON_SAID_NUMBERS] pieces
    json_sentence said, before  # most sentences have the label of the one before
    uint32_t label              # and one


cdef inline bint plain(const json_string* text) noexcept:
    return text.size <= 8 and (text.size <= 0 or not text.flags & JSON_ESCAPED)


cdef inline uint64_t packed(const json_string* text) noexcept:
    # At most 8 bytes, none of them zero.
    cdef uint64_t value = 0
    cdef Py_ssize_t i
    for i in range(text.size):
        value = value << 8 | text.data[i]
    return value


cdef json_at inside(Reader* reader, const json_string* text, size_t* size) except NULL:
    # What a string stands for, as UTF-8, until the next call.
    if text.size <= 0 or not text.flags & JSON_ESCAPED:
        size[0] = text.size if text.size > 0 else 0
        return text.data if text.size > 0 else <json_at>b""
    reader.scratch.size = 0
    size[0] = json_unescape(text.data, text.size, more(&reader.scratch, text.size))
    return reader.scratch.data


cdef str text_of(Reader* reader, const json_string* text):
    cdef size_t size
    cdef json_at data
    if text.size < 0:
        return None
    data = inside(reader, text, &size)
    return PyUnicode_DecodeUTF8(<const char*>data, size, NULL)


cdef object speaker_of(Reader* reader, const json_speaker* speaker):
    return None if not speaker.kind else speaker.number if speaker.kind == 1 else text_of(reader, &speaker.text)


cdef uint32_t kind_of(FileSentences into, Reader* reader, const json_word* word) except? 0xffffffff:
    cdef uint64_t punctuation = 0, speaker = 0
    cdef uint32_t shape = 4 * word.speaker.kind + word.fixed + 1, number
    cdef Slot* slot = NULL
    if plain(&word.punctuation) and (word.speaker.kind != 2 or plain(&word.speaker.text)):
        punctuation = packed(&word.punctuation)
        if word.speaker.kind:
            speaker = word.speaker.number if word.speaker.kind == 1 else packed(&word.speaker.text)
        slot = &reader.slots[(punctuation + 31 * (speaker + shape)) * MIX >> 58]
        if slot.number and slot.punctuation == punctuation and slot.speaker == speaker and slot.shape == shape:
            return slot.number - 1
    number = into.writer.kind_of(
        text_of(reader, &word.punctuation) or "", None if word.fixed < 0 else bool(word.fixed),
        speaker_of(reader, &word.speaker),
    )
    if slot != NULL:
        slot[0] = Slot(punctuation, speaker, shape, number + 1)
    return number


cdef json_at read_words(FileSentences into, Reader* reader, json_at at) except? NULL:
    cdef json_at end = reader.end, text
    cdef json_word* word = &reader.word
    cdef uint32_t kind
    cdef size_t size
    cdef int more_words
    at = json_open(at, end, c"[", c"]", &more_words)
    while at != NULL and more_words:
        at = json_read_word(at, end, True, word, reader.word_pieces)
        if at == NULL:
            return NULL
        kind = kind_of(into, reader, word)
        text = inside(reader, &word.text, &size)
        into.writer.word(word.begin_time, word.end_time, text, size, kind)
        at = json_next(at, end, c"]", &more_words)
    return at


cdef json_at read_sentence(FileSentences into, Reader* reader, json_at at) except? NULL:
    cdef json_at end = reader.end, text, words = NULL, words_end = NULL
    cdef json_sentence* said = &reader.said
    cdef json_sentence* before = &reader.before
    cdef json_walk walk = json_walk(JSON_OUTSIDE, -1, 0)
    cdef size_t size
    cdef bint begun = False
    json_clear_sentence(said)
    while True:
        at = json_step(at, end, &walk, json_sentence_members, JSON_COUNT(json_sentence_members), reader.pieces)
        if at == NULL:
            return NULL
        if walk.number == JSON_OUTSIDE:
            break
        if walk.number != JSON_SAID_WORDS:
            at = json_read_said(walk.number, at, end, True, said)
        elif json_is(at, end, "null"):
            at += 4
        elif walk.seen & 1 << JSON_SAID_TEXT:
            begun = True
            text = inside(reader, &said.text, &size)
            into.writer.begin_sentence(text, size)
            at = read_words(into, reader, at)
        else:
            words = at
            at = words_end = json_skip_container(at, end) if at < end and at[0] == c"[" else NULL
        if at == NULL:
            return NULL
    if not begun:
        text = inside(reader, &said.text, &size)
        into.writer.begin_sentence(text, size)
    if words != NULL and read_words(into, reader, words) != words_end:
        return NULL
    if not (reader.label and before.closed == said.closed
            and (before.end_time == INT32_MIN) == (said.end_time == INT32_MIN)
            and json_same_string(&before.language, &said.language)
            and json_same_string(&before.emotion, &said.emotion)
            and json_same_speaker(&before.speaker, &said.speaker)):
        reader.label = 1 + into.label(text_of(reader, &said.language), text_of(reader, &said.emotion),
                                      speaker_of(reader, &said.speaker), said.closed, said.end_time)
    before[0] = said[0]
    into.end_sentence(said.sentence_id, said.identified, said.begin_time, said.end_time, size, reader.label - 1)
    return at


cdef json_at read_sentences(FileSentences into, Reader* reader, json_at at, list spans) except? NULL:
    # `spans`: where to say where each sentence is.
    cdef json_at end = reader.end, sentence
    cdef int more_sentences
    at = json_open(at, end, c"[", c"]", &more_sentences)
    memset(&reader.slots, 0, sizeof(reader.slots))
    reader.label = 0
    while at != NULL and more_sentences:
        sentence = at
        at = read_sentence(into, reader, at)
        if at == NULL:
            return NULL
        if spans is not None:
            spans.append((sentence - reader.start, at - reader.start))
        at = json_next(at, end, c"]", &more_sentences)
    return at


cdef json_at read_entry(FileSentences into, Reader* reader, json_at at, list cuts, list spans) except? NULL:
    # One item of `transcripts`. `cuts`: where to say what needs no decoding any more, as (start, stop).
    cdef json_at end = reader.end, start, own
    cdef json_string name, text
    cdef size_t size
    cdef int more_members
    cdef bint listed = False, worded = False
    text.size = -1
    at = json_open(at, end, c"{", c"}", &more_members)
    while at != NULL and more_members:
        at = json_read_name(at, end, &name)
        if at == NULL or at >= end:
            return NULL
        if json_named(name, "sentences"):
            if listed:
                return NULL
            listed = True
            start = at + 1
            if json_is(at, end, "null"):
                at += 4
            else:
                at = read_sentences(into, reader, at, spans)
                if at == NULL:
                    return NULL
                cuts.append((start - reader.start, at - 1 - reader.start))
        elif json_named(name, "text"):
            if worded:
                return NULL
            worded = True
            at = json_read_text(at, end, True, &text)
        else:
            at = json_skip_value(at, end)
        if at != NULL:
            at = json_next(at, end, c"}", &more_members)
    if at != NULL and text.size > 0:
        own = inside(reader, &text, &size)
        into.agrees = into.writer.text.size == size and not memcmp(own, into.writer.text.data, size)
        if into.agrees:
            cuts.append((text.data - reader.start, text.data + text.size - reader.start))
    return at


MOST = 1024         # transcripts of a file: an empty one of three bytes becomes a thousand


cdef list read_file(Reader* reader, bytes data, bint keep_raw, list cuts):
    # What is skipped here is checked by who decodes the rest: as far as that is valid, what was found here is where it
    # seems to be, and there was nothing else in the places cut out.
    cdef json_at at, end = reader.end
    cdef json_string name
    cdef list found = [], spans
    cdef int more_members, more_entries
    cdef bint listed = False
    cdef FileSentences into
    at = json_open(json_space(reader.start, end), end, c"{", c"}", &more_members)
    while at != NULL and more_members:
        at = json_read_name(at, end, &name)
        if at == NULL:
            return None
        if not json_named(name, "transcripts"):
            at = json_skip_value(at, end)
        elif listed:
            return None
        else:
            listed = True
            at = json_open(at, end, c"[", c"]", &more_entries)
            while at != NULL and more_entries:
                if len(found) == MOST:
                    return None
                into, spans = FileSentences(), [] if keep_raw else None
                if not found:
                    into.writer.reserve(end - at)
                at = read_entry(into, reader, at, cuts, spans)
                if at != NULL:
                    at = json_next(at, end, c"]", &more_entries)
                if keep_raw:
                    into.keep_raw(data, spans)
                found.append(into)
        if at != NULL:
            at = json_next(at, end, c"}", &more_members)
    return None if at == NULL else found


def read(bytes data not None, bint keep_raw=False):
    cdef Reader reader
    cdef list cuts = [], found, rest = []
    cdef Py_ssize_t at = 0
    if PyBytes_GET_SIZE(data) > INT32_MAX:      # offsets into columns have 32 bits
        return None
    memset(&reader, 0, sizeof(reader))
    reader.start = <json_at>PyBytes_AS_STRING(data)
    reader.end = reader.start + PyBytes_GET_SIZE(data)
    try:
        found = read_file(&reader, data, keep_raw, cuts)
    finally:
        drop(&reader.scratch)
    if found is None:
        return None
    for start, stop in sorted(cuts):
        rest.append(data[at:start])
        at = stop
    return b"".join([*rest, data[at:]]), found
