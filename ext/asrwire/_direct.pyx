# cython: auto_pickle=False, autotestdict=False, wraparound=False, boundscheck=False
# The direct reader: ordinary events of a recognition stream, read in place into the stream's books.
#
# Knows: the layout of an ordinary event, and the plain case of each rule of `Assembler`. Must not know: any other case.
# What is unusual in the least (an unknown envelope, a member of another type, an id that is no successor, a begin not
# after every final one, an error, a heartbeat) is left, whole and in order, to the readable path: `_decode` after
# orjson, then `Assembler`, whose books this keeps too. Which of the two took an event cannot be told from the outside.
#
# Without partials an event is walked to find whether it is final, and nothing is made of one that is not: 0.3 us, not
# 7 as with orjson and dataclasses. Only the newest that was passed over is kept, once a read, and decoded when the
# stream ends or somebody asks. With partials, words whose bytes are those of the event before are its words: 1 us.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp

from ._books cimport Books, Channel, Done, Open
from ._model cimport Final, Partial, Sentence, TextDelta, Usage, Word, place as place_word
from ._scan cimport (
    JSON_COUNT, JSON_ESCAPED, JSON_LEVELS, JSON_NO_TIME, JSON_OTHER, JSON_OUTSIDE, JSON_SAID_WORDS, JSON_WORD_NUMBERS,
    json_at, json_check_value, json_clear_sentence, json_common, json_is, json_member, json_next, json_piece,
    json_read_said, json_read_text, json_read_word, json_sentence, json_skip_container, json_skip_value, json_space,
    json_speaker, json_step, json_string, json_string_end, json_unescape, json_walk, json_word,
)
from ._sse cimport ResultEventParser

import orjson

from ._decode import larger_usage
from ._decode import usage as any_usage
from ._errors import DecodeError


cdef extern from "Python.h":
    str PyUnicode_DecodeASCII(const char* s, Py_ssize_t size, const char* errors)
    const char* utf8_of "PyUnicode_AsUTF8AndSize"(str text, Py_ssize_t* size) except NULL

cdef extern from "text.h":
    Py_ssize_t text_common(str a, str b, Py_ssize_t start) noexcept
    str text_decode(json_at data, Py_ssize_t size)

cdef extern from *:
    """
    enum {
        OUTPUT = JSON_SAID_NUMBERS, SENTENCE, RUNNING_TEXT, USAGE, REQUEST_ID, NULL_0, NULL_1, EMPTY_0, EMPTY_1,
        EVENT_NUMBERS
    };
    /* Those that say something elsewhere, or may mean trouble, must say nothing. */
    #define SAY_NOTHING(level, null, empty) \
        JSON_AGAIN(level, empty, "code"), JSON_AGAIN(level, empty, "message"), JSON_AGAIN(level, null, "error"), \
        JSON_AGAIN(level, null, "header"), JSON_AGAIN(level, null, "model"), JSON_AGAIN(level, null, "created"), \
        JSON_AGAIN(level, null, "object")
    static const json_member event_members[] = {
        JSON_OPENS(0, OUTPUT, "output"), JSON_OPENS(1, SENTENCE, "sentence"), JSON_SAID(2),
        JSON_MEMBER(1, RUNNING_TEXT, "text"), JSON_MEMBER(0, USAGE, "usage"), JSON_MEMBER(0, REQUEST_ID, "request_id"),
        SAY_NOTHING(0, NULL_0, EMPTY_0), SAY_NOTHING(1, NULL_1, EMPTY_1), JSON_AGAIN(1, NULL_1, "output"),
        JSON_AGAIN(1, NULL_1, "usage"), JSON_AGAIN(1, NULL_1, "request_id"), JSON_AGAIN(1, NULL_1, "sentences"),
    };
    """
    enum:
        RUNNING_TEXT, USAGE, REQUEST_ID, NULL_0, NULL_1, EMPTY_0, EMPTY_1, EVENT_NUMBERS
    const json_member* event_members


cdef struct Heard:              # one ordinary event
    json_sentence said
    bint spoken                 # there are words
    json_string request_id      # size -1: null or absent, and so on
    json_string running_text
    json_string usage           # an object, as JSON

cdef struct Place:              # of one word
    Py_ssize_t at               # after the bracket of the words
    Py_ssize_t size
    Py_ssize_t text_at
    Py_ssize_t text_size
    Py_ssize_t stop             # in the text: the end of it, what comes next, how far was looked to know
    Py_ssize_t next
    Py_ssize_t reach

cdef bint enabled = True


def use(bint direct):
    global enabled
    enabled = direct


cdef str text_of(const json_string* piece):
    # None where it is not valid after all; "" for null.
    cdef unsigned char* plain
    cdef Py_ssize_t size
    if piece.size <= 0:
        return ""
    if piece.flags == 0:
        return PyUnicode_DecodeASCII(<const char*>piece.data, piece.size, NULL)
    try:
        if not piece.flags & JSON_ESCAPED:
            return text_decode(piece.data, piece.size)
        plain = <unsigned char*>malloc(piece.size)
        if plain == NULL:
            raise MemoryError
        try:
            size = json_unescape(piece.data, piece.size, plain)
            return None if size < 0 else text_decode(plain, size)
        finally:
            free(plain)
    except UnicodeDecodeError:
        return None


cdef object speaker_of(const json_speaker* speaker):
    # False where it is not valid after all.
    if speaker.kind == 0:
        return None
    if speaker.kind == 1:
        return speaker.number
    text = text_of(&speaker.text)
    return False if text is None else text


cdef inline object time_of(int32_t ms):
    return None if ms == JSON_NO_TIME else ms


cdef bint same_word(Word a, Word b):
    return a is b or (a.end_time == b.end_time and a.begin_time == b.begin_time and a.fixed is b.fixed
                      and a.text == b.text and a.punctuation == b.punctuation and a.speaker_id == b.speaker_id)


cdef bint same(Sentence a, Sentence b):
    # `_assembler._same`, of two states of one sentence.
    cdef Py_ssize_t i, count = len(a.words)
    if count != len(b.words) or a.text != b.text:
        return False
    for i in range(count - 1, -1, -1):      # what changes is at the end
        if not same_word(<Word>a.words[i], <Word>b.words[i]):
            return False
    return (a.begin_time == b.begin_time and a.end_time == b.end_time and a.language == b.language
            and a.emotion == b.emotion and a.speaker_id == b.speaker_id)


cdef bint is_plain_usage(Usage usage):
    return (type(usage.seconds) is int and usage.input_tokens is None and usage.audio_tokens is None
            and usage.output_tokens is None and usage.total_tokens is None)


cdef Usage usage_of(dict raw):
    # None where a count has a wrong type.
    cdef Usage usage
    if len(raw) == 1:
        seconds = raw.get("duration", raw.get("seconds"))
        if type(seconds) is int and seconds >= 0:
            usage = Usage.__new__(Usage)
            usage.seconds = seconds
            usage.raw = raw
            return usage
    try:
        return any_usage(raw)
    except DecodeError:
        return None


cdef class DirectParser(ResultEventParser):
    cdef Books books
    cdef object slow            # what takes the other events, during a call of `take`
    cdef bint direct
    cdef json_at start          # of this event
    cdef json_piece[EVENT_NUMBERS] pieces
    cdef json_piece[JSON_WORD_NUMBERS] word_pieces
    cdef json_word word
    cdef Heard heard
    cdef bint skimmed           # something in it was passed over unchecked
    cdef Open current           # the sentence of the newest event, where this reader took it
    cdef Channel channel        # of this id
    cdef int64_t channel_id
    cdef const char* passed     # the newest event of `current`, passed over and not yet copied
    cdef Py_ssize_t passed_size
    cdef dict kept              # key -> Open, of those that have one that was copied
    cdef str plain_type         # a type and comments that were looked at and say nothing
    cdef object plain_comments
    cdef bytes known_usage
    cdef object usage           # made of `known_usage`
    cdef bytes prefix           # of an event that is a text delta
    cdef bytes suffix
    cdef int lessons
    cdef str mark               # the punctuation of the newest word that had any
    cdef tuple words            # of this event
    cdef json_at words_at       # their bracket
    cdef Place* places          # of this event's words, and of those that `shared` has more
    cdef PyObject** found
    cdef Py_ssize_t room
    cdef Sentence shared        # the newest state made here; its words are looked for in the next event
    cdef json_at shared_at      # the bracket of its words
    cdef Py_ssize_t fixed       # how many of its leading words are
    cdef Py_ssize_t placed      # of how many the place in its text is known
    cdef Py_ssize_t alike       # how many leading words of this event are its very words

    def __cinit__(self, max_event_size=8 * 1024 * 1024, max_event_lines=65536):
        self.mark = ""
        self.words = ()
        self.kept = {}

    def __dealloc__(self):
        free(self.places)
        free(self.found)

    def keep(self, Books books not None):
        self.books = books
        self.direct = enabled

    def take(self, data, list updates not None, slow not None):
        if self.busy:
            self.enter()        # which says so, before this call's `slow` takes the place of the other's
        self.slow = slow
        try:
            self.take_input(data, updates)
        finally:
            self.slow = None

    cdef int parse(self, const char* data, Py_ssize_t size, list out) except -1:
        try:
            return ResultEventParser.parse(self, data, size, out)
        finally:
            self.keep_passed()      # while the input is still held

    @property
    def may_learn(self):
        return self.lessons < 4

    def learn(self, bytes prefix not None, bytes suffix not None):
        self.prefix = prefix
        self.suffix = suffix
        self.lessons += 1       # until one is of use

    def unread(self):
        cdef list payloads = []
        cdef Channel channel
        cdef Open open_
        self.keep_passed()
        if self.kept:           # and there are books
            for open_ in self.kept.values():
                payloads.append(open_.unread)
                open_.unread = None
                open_.passed_over = False
                channel = self.books.channels[open_.key[0]]
                channel.passed_over -= 1
            self.kept = {}
        return payloads

    cdef int keep_passed(self) except -1:
        # What was passed over lies in the input of this call; before another sentence, or the next call, it is copied.
        cdef const char* passed = self.passed
        if passed != NULL:
            self.passed = NULL      # also where there is no memory for it: the input goes
            payload = PyBytes_FromStringAndSize(passed, self.passed_size)
            if self.current.unread is None:
                self.kept[self.current.key] = self.current
            self.current.unread = payload
        return 0

    cdef int on_event(self, const char* data, Py_ssize_t size, list out) except -1:
        if self.slow is None:
            return ResultEventParser.on_event(self, data, size, out)
        if self.direct and self.is_plain():
            if self.prefix is not None and self.enter_delta(data, size, out):
                return 0
            if self.enter_event(<json_at>data, <json_at>data + size, out):
                self.books.events += 1
                self.prefix = None
                return 0
        self.prefix = None
        self.keep_passed()
        self.current = None
        self.shared = None
        self.known_usage = None
        self.direct = self.slow(self.make_event(data, size), out) and self.direct
        return 0

    cdef bint is_plain(self) except -1:
        # Neither the event's type nor a comment says anything about it.
        if self.event_type is not self.plain_type:
            if self.event_type is not None and (self.event_type == "error" or self.event_type == "done"):
                return False
            self.plain_type = self.event_type
        if self.comments is None or self.comments is self.plain_comments:
            return self.block_comments is None
        if self.block_comments is not None or ("HTTP_STATUS/" in self.comments[0]
                                               and self.comments[0].strip() != "HTTP_STATUS/200"):
            return False
        self.plain_comments = self.comments
        return True

    # -- the JSON of one event ----------------------------------------------------------------------------------------

    cdef bint read(self, json_at at, json_at end, bint skim) except -1:
        # Whether it is ordinary; then `heard` and, unless it is only skimmed, `words` are what it says. A final one is
        # never only skimmed, if it says that it is before its words come.
        cdef Heard* heard = &self.heard
        cdef json_walk walk = json_walk(JSON_OUTSIDE, -1, 0)
        cdef json_at words
        cdef int number
        json_clear_sentence(&heard.said)
        heard.spoken = False
        heard.request_id.size = heard.running_text.size = heard.usage.size = -1
        self.start = self.words_at = at
        self.words = ()
        self.skimmed = False
        at = json_space(at, end)
        while True:
            at = json_step(at, end, &walk, event_members, JSON_COUNT(event_members), self.pieces)
            if at == NULL:
                return False
            number = walk.number
            if number == JSON_OUTSIDE:
                break
            if JSON_OTHER + JSON_LEVELS <= number < JSON_SAID_WORDS:
                at = json_read_said(number, at, end, False, &heard.said)
            elif number == JSON_SAID_WORDS and at < end and at[0] == c"[":
                words = json_space(at + 1, end)
                heard.spoken = words < end and words[0] != c"]"
                if heard.said.closed == 1 and not self.skimmed:
                    skim = False
                if skim:
                    self.skimmed = True
                    at = json_skip_container(at, end)
                else:
                    at = self.read_words(at, end)
            elif number == RUNNING_TEXT:
                at = json_read_text(at, end, False, &heard.running_text)
            elif number == REQUEST_ID:
                at = json_read_text(at, end, True, &heard.request_id)
            elif number == USAGE:
                at = self.read_usage(at, end)
            elif (number == EMPTY_0 or number == EMPTY_1) and json_is(at, end, '""'):
                at += 2
            elif number >= NULL_0 or number == JSON_SAID_WORDS:
                at = at + 4 if json_is(at, end, "null") else NULL
            elif skim:
                self.skimmed = True
                at = json_skip_value(at, end)
            else:
                at = json_check_value(at, end, 0)
            if at == NULL:
                return False
        return (json_space(at, end) == end and heard.said.identified and heard.said.sentence_id >= 0
                and heard.said.closed >= 0 and heard.said.heartbeat != 1 and heard.said.begin_time != JSON_NO_TIME)

    cdef json_at read_usage(self, json_at at, json_at end) noexcept:
        if json_is(at, end, "null"):
            return at + 4
        if at >= end or at[0] != c"{":
            return NULL
        self.heard.usage.data = at
        at = json_check_value(at, end, 0)
        self.heard.usage.size = at - self.heard.usage.data
        return at

    cdef json_at read_words(self, json_at at, json_at end) except? NULL:
        # Words whose bytes are those of the same word in `shared` are that word, and most are: all those in the prefix
        # that the two have in common, and single ones after it.
        cdef tuple old = ()
        cdef json_word* said = &self.word
        cdef Word word
        cdef Place* place
        cdef json_at start
        cdef Py_ssize_t count = 0, known = 0, common, i
        cdef int32_t ended = -1     # the end of the word before, -1 where that was not read
        cdef int more = 1
        self.words_at = at
        self.alike = 0
        if self.shared is not None:
            old = self.shared.words
            known = len(old)
        if known:
            place = &self.places[known - 1]
            common = json_common(at, self.shared_at, min(place.at + place.size, end - at))
            while self.alike < known and self.places[self.alike].at + self.places[self.alike].size <= common:
                self.alike += 1
        count = self.alike
        if count:
            at = json_next(at + self.places[count - 1].at + self.places[count - 1].size, end, c"]", &more)
            if at == NULL:
                return NULL
        else:
            at = json_space(at + 1, end)
            if at < end and at[0] == c"]":
                return at + 1
        try:
            while more:
                if count == self.room:
                    self.make_room()
                place = &self.places[count]
                if count < known and end - at >= place.size and memcmp(
                        at, self.shared_at + place.at, place.size) == 0:
                    word = <Word>old[count]
                    place.text_at += at - self.words_at - place.at
                    place.at = at - self.words_at
                    at += place.size
                    ended = -1
                else:
                    start = at
                    at = json_read_word(at, end, False, said, self.word_pieces)
                    if at == NULL:
                        return NULL
                    word = Word.__new__(Word)
                    if said.begin_time == ended:
                        word.begin_time = (<Word>self.found[count - 1]).end_time
                    else:
                        word.begin_time = time_of(said.begin_time)
                    word.end_time = time_of(said.end_time)
                    ended = said.end_time
                    if count < known and said.text.size > 0 and said.text.size == place.text_size and memcmp(
                            said.text.data, self.shared_at + place.text_at, said.text.size) == 0:
                        word.text = (<Word>old[count]).text
                    else:
                        word.text = text_of(&said.text)
                    word.punctuation = self.mark_of(&said.punctuation)
                    word.fixed = None if said.fixed < 0 else said.fixed == 1
                    if said.speaker.kind:
                        word.speaker_id = speaker_of(&said.speaker)
                    if word.text is None or word.punctuation is None or word.speaker_id is False:
                        return NULL
                    place.at = start - self.words_at
                    place.size = at - start
                    place.text_size = said.text.size
                    place.text_at = said.text.data - self.words_at if said.text.size > 0 else 0
                Py_INCREF(word)
                self.found[count] = <PyObject*>word
                count += 1
                at = json_next(at, end, c"]", &more)
                if at == NULL:
                    return NULL
            self.words = PyTuple_New(count)
            for i in range(self.alike):
                word = <Word>old[i]
                Py_INCREF(word)
                PyTuple_SET_ITEM(self.words, i, word)
            for i in range(self.alike, count):
                PyTuple_SET_ITEM(self.words, i, <object>self.found[i])
            count = 0
            return at
        finally:
            for i in range(self.alike, count):
                Py_XDECREF(self.found[i])

    cdef int make_room(self) except -1:
        cdef Py_ssize_t room = 2 * self.room + 32
        cdef void* moved = realloc(self.places, room * sizeof(Place))
        if moved == NULL:
            raise MemoryError
        self.places = <Place*>moved
        moved = realloc(self.found, room * sizeof(PyObject*))
        if moved == NULL:
            raise MemoryError
        self.found = <PyObject**>moved
        self.room = room
        return 0

    cdef str mark_of(self, const json_string* piece):
        cdef Py_ssize_t size
        cdef const char* known
        if piece.size <= 0:
            return ""
        known = utf8_of(self.mark, &size)
        if size != piece.size or piece.flags & JSON_ESCAPED or memcmp(known, piece.data, size) != 0:
            found = text_of(piece)
            if found is None:
                return None
            self.mark = found
        return self.mark

    # -- what it means ------------------------------------------------------------------------------------------------

    cdef bint enter_delta(self, const char* data, Py_ssize_t size, list out) except -1:
        # Whether it is an event like the one that was learnt from, but for its text: 0.3 us instead of 6.
        cdef Py_ssize_t start = len(self.prefix), stop = size - len(self.suffix)
        cdef Books books = self.books
        cdef json_string piece
        cdef json_at end
        cdef TextDelta update
        if stop < start or memcmp(data, PyBytes_AS_STRING(self.prefix), start) != 0 or memcmp(
                data + stop, PyBytes_AS_STRING(self.suffix), size - stop) != 0:
            return False
        piece.data = <json_at>data + start
        piece.size = stop - start
        end = json_string_end(piece.data, <json_at>data + size, &piece.flags)
        if end != <json_at>data + stop:
            return False
        text = text_of(&piece)
        if text is None:
            return False
        if piece.size:
            books.pieces.append(text)
            if books.partials:
                update = TextDelta.__new__(TextDelta, text, books.text_size)
                out.append(update)
            books.text_size += len(text)
        books.text_raw = PyBytes_FromStringAndSize(data, size)
        books.events += 1
        self.lessons = 0
        return True

    cdef bint enter_event(self, json_at data, json_at end, list out) except -1:
        # Whether the event was taken into the books; nothing is changed if not.
        cdef Heard* heard = &self.heard
        cdef Books books = self.books
        cdef Open open_ = None
        cdef tuple key
        cdef bint is_new = False
        cdef const char* known
        cdef Py_ssize_t size
        if not self.read(data, end, not books.partials):
            return False
        if heard.request_id.size >= 0:
            if books.request_id is None:
                return False
            known = utf8_of(books.request_id, &size)
            if heard.request_id.flags & JSON_ESCAPED or heard.request_id.size != size or memcmp(
                    known, heard.request_id.data, size) != 0:
                return False
        if self.channel is None or self.channel_id != heard.said.channel_id:
            self.channel = books.channels.get(heard.said.channel_id)
            self.channel_id = heard.said.channel_id
            if self.channel is None:
                return False
        if heard.said.begin_time <= self.channel.newest:
            return False
        open_ = self.current
        if open_ is None or open_.sentence.channel_id != heard.said.channel_id or (
                open_.sentence.sentence_id != heard.said.sentence_id):
            key = (heard.said.channel_id, heard.said.sentence_id, 0)
            open_ = books.open.get(key)
            if open_ is None:
                is_new = self.channel.last_id is not None and heard.said.sentence_id == self.channel.last_id + 1
                if not is_new:
                    return False
            elif open_.heard is not open_.sentence:
                return False
        else:
            key = open_.key
        if heard.said.closed:
            if heard.said.text.size <= 0:
                return False
            if self.skimmed and not self.read(data, end, False):
                return False
            return self.enter_final(key, open_, PyBytes_FromStringAndSize(<const char*>data, end - data), out)
        if is_new and heard.said.text.size <= 0 and not heard.spoken and (
                heard.said.opened != 1 or heard.said.sentence_id == 0):
            return False
        if books.partials:
            return self.enter_partial(key, open_, PyBytes_FromStringAndSize(<const char*>data, end - data), out)
        if heard.usage.size >= 0 and not self.take_usage():
            return False
        if self.current is not open_ or is_new:
            self.keep_passed()
            if is_new:
                open_ = self.begin_unread(key)
            self.current = open_
        if not open_.passed_over:
            open_.passed_over = True
            self.channel.passed_over += 1
        self.passed = <const char*>data
        self.passed_size = end - data
        if self.passed != self.view:        # it lies in a buffer of the parser, which the next event overwrites
            self.keep_passed()
        return True

    cdef Open begin_unread(self, tuple key):
        # A sentence whose events are all passed over so far: it has its place, and no text.
        cdef Sentence sentence = Sentence.__new__(Sentence)
        cdef Open open_
        sentence.index = self.books.new_index()
        sentence.sentence_id = key[1]
        sentence.channel_id = key[0]
        sentence.begin_time = time_of(self.heard.said.begin_time)
        sentence.text = ""
        sentence.words = ()
        open_ = Open.__new__(Open, key, sentence, sentence, "")
        self.channel.last_id = key[1]
        self.books.open[key] = open_
        return open_

    cdef Sentence make_sentence(self, tuple key, bytes raw):
        # None where a text is not valid after all.
        cdef Heard* heard = &self.heard
        cdef Sentence sentence = Sentence.__new__(Sentence)
        sentence.sentence_id = key[1]
        sentence.channel_id = heard.said.channel_id
        sentence.begin_time = time_of(heard.said.begin_time)
        sentence.end_time = time_of(heard.said.end_time)
        sentence.text = text_of(&heard.said.text)
        sentence.words = self.words
        if heard.said.language.size >= 0:
            sentence.language = text_of(&heard.said.language)
            if sentence.language is None:
                return None
        if heard.said.emotion.size >= 0:
            sentence.emotion = text_of(&heard.said.emotion)
            if sentence.emotion is None:
                return None
        sentence.speaker_id = speaker_of(&heard.said.speaker)
        sentence.raw = raw
        return None if sentence.text is None or sentence.speaker_id is False else sentence

    cdef bint take_usage(self) except -1:
        # `usage` of this event, into the books; counts are cumulative, and most events repeat the last ones.
        cdef json_string said = self.heard.usage
        cdef Usage known
        if self.known_usage is not None and len(self.known_usage) == said.size and memcmp(
                PyBytes_AS_STRING(self.known_usage), said.data, said.size) == 0:
            return True
        payload = PyBytes_FromStringAndSize(<const char*>said.data, said.size)
        usage = usage_of(orjson.loads(payload))
        if usage is None:
            return False
        known = self.books.usage
        if known is None or (is_plain_usage(known) and is_plain_usage(usage) and known.seconds <= usage.seconds):
            self.books.usage = usage
        else:
            self.books.usage = larger_usage(known, usage)
        self.known_usage = payload
        self.usage = usage
        return True

    cdef bint enter_final(self, tuple key, Open open_, bytes raw, list out) except -1:
        cdef Heard* heard = &self.heard
        cdef Books books = self.books
        cdef Sentence sentence = self.make_sentence(key, raw)
        cdef str running = None
        cdef Final update
        cdef Done done
        if sentence is None or self.channel.passed_over > (open_ is not None and open_.passed_over):
            return False        # the other one is to be heard first: it may be the beginning of this
        if heard.running_text.size >= 0:
            if heard.running_text.size == heard.said.text.size and memcmp(
                    heard.running_text.data, heard.said.text.data, heard.said.text.size) == 0:
                running = sentence.text
            else:
                running = text_of(&heard.running_text)
                if running is None:
                    return False
        if heard.usage.size >= 0 and not self.take_usage():
            return False
        if self.current is not open_:
            self.keep_passed()
        self.passed = NULL
        self.current = None
        update = Final.__new__(Final)
        update.sentence = sentence
        if heard.usage.size >= 0:
            update.usage = self.usage
        if open_ is None:
            sentence.index = books.new_index()
            self.channel.last_id = key[1]
        else:
            sentence.index = open_.sentence.index
            sentence.revision = open_.sentence.revision + books.partials
            update.kept = text_common(open_.shown, sentence.text, 0)
            self.channel.passed_over -= open_.passed_over
            if open_.unread is not None:
                del self.kept[key]
            del books.open[key]
        sentence.final = True
        sentence.finality = "sentence_end"
        done = Done.__new__(Done, key, sentence, sentence)
        books.finals[sentence.index] = sentence
        books.done[key] = done
        books.chains[(heard.said.channel_id, sentence.begin_time)] = [done]
        books.running_text = running
        self.channel.newest = heard.said.begin_time
        self.shared = None
        out.append(update)
        return True

    cdef bint enter_partial(self, tuple key, Open open_, bytes raw, list out) except -1:
        cdef Heard* heard = &self.heard
        cdef Books books = self.books
        cdef Sentence before = None, sentence = self.make_sentence(key, raw)
        cdef Partial update
        cdef Py_ssize_t kept = 0
        if sentence is None or not self.running_text_valid() or (heard.usage.size >= 0 and not self.take_usage()):
            return False
        if open_ is None:
            sentence.index = books.new_index()
            open_ = Open.__new__(Open, key, sentence, sentence, "")
            self.channel.last_id = key[1]
            books.open[key] = open_
        else:
            before = open_.sentence
            if same(sentence, before):
                books.issues["repeated_partial"] += 1
                if self.alike < len(sentence.words):
                    self.shared = None      # the places are not those of its words any more
                return True
            sentence.index = before.index
            sentence.revision = before.revision + 1
            kept = text_common(open_.shown, sentence.text, 0)
            open_.sentence = open_.heard = sentence
        self.current = open_
        update = Partial.__new__(Partial)
        update.sentence = sentence
        update.kept = kept
        update.stable = self.stable(sentence, before, kept)
        open_.shown = sentence.text
        self.shared = sentence              # from here on, words are looked for in this state
        self.shared_at = <json_at>PyBytes_AS_STRING(raw) + (self.words_at - self.start)
        out.append(update)
        return True

    cdef bint running_text_valid(self) except -1:
        # Nobody will ask for it, but it must not be wrong.
        cdef json_string* running = &self.heard.running_text
        cdef json_string* text = &self.heard.said.text
        return (running.size <= 0 or (running.size == text.size and memcmp(running.data, text.data, text.size) == 0)
                or text_of(running) is not None)

    cdef Py_ssize_t stable(self, Sentence sentence, Sentence before, Py_ssize_t kept) except -1:
        # What `_assembler._stable` says. The leading words that are the very ones of the state before were looked at
        # then: how many of them are fixed, and where they stand in what the texts have in common, is known.
        cdef tuple words = sentence.words
        cdef Py_ssize_t count = len(words), fixed = 0, agreed = 0, i = 0, at = 0, start = 0, stop = 0, size
        cdef Word word, old
        cdef Place* here
        if before is not None and count == 0:
            return text_common(before.text, sentence.text, 0)
        if before is not None:
            size = min(count, len(before.words))
            if before is self.shared:
                agreed = self.alike
                fixed = min(self.fixed, agreed)
                while i < agreed and i < self.placed and self.places[i].reach <= kept:
                    i += 1
            while agreed < size:
                word = <Word>words[agreed]
                old = <Word>before.words[agreed]
                if word is not old and (word.text != old.text or word.punctuation != old.punctuation):
                    break
                agreed += 1
        while fixed < count and (<Word>words[fixed]).fixed is True:
            fixed += 1
        self.fixed = fixed
        size = max(fixed, agreed)
        i = min(i, size)
        if i:
            at = self.places[i - 1].next
            stop = self.places[i - 1].stop
        while i < size:
            word = <Word>words[i]
            here = &self.places[i]
            here.reach = at + len(word.text)
            if not place_word(sentence.text, word, &at, &start, &stop):
                break
            here.reach = max(here.reach, start + 1, stop + len(word.punctuation), at)
            here.next = at
            here.stop = stop
            i += 1
        self.placed = i
        if i < size:
            for span in reversed(sentence.spans()[:size]):
                if span is not None:
                    return span[1]
            return 0
        return stop
