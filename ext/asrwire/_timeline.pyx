# cython: auto_pickle=False, autotestdict=False, boundscheck=False, wraparound=False, cdivision=True
# The word timeline: the words of a transcript as columns of numbers and one pool of text, in the order of time.
#
# Knows: words, their order, how to find one by time, how words are joined to text. Must not know: JSON, files, streams,
# or how sentences come to be. Columns, because a 12-hour file has 150,000 words: some 24 bytes a word here, the text of
# their sentences included, some 420 as dataclasses; a `Word` is made when it is asked for. A column that would say the
# same of every word is not kept, and one whose numbers fit a byte has bytes.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.number cimport PyNumber_Index
from libc.stdint cimport INT32_MAX, INT32_MIN
from libc.string cimport memcmp, memcpy, memset

from ._model cimport Sentence

from collections.abc import Sequence

from ._errors import ConfigError

NO_TIME = INT32_MIN


cdef extern from "Python.h":
    Py_ssize_t clipped "PyNumber_AsSsize_t"(object number, void* overflow) except? -1
    str PyUnicode_DecodeUTF8(const char* data, Py_ssize_t size, const char* errors)
    bint PyUnicode_IS_COMPACT_ASCII(str text)
    const unsigned char* PyUnicode_1BYTE_DATA(str text)


cdef extern from "columns.h":
    int column_width(uint32_t largest) noexcept
    uint32_t column_get(const void* column, int width, Py_ssize_t i) noexcept
    void column_put(void* column, int width, Py_ssize_t i, uint32_t value) noexcept
    void column_widen(void* column, Py_ssize_t count, int old, int width) noexcept
    Py_ssize_t column_bisect(const uint32_t* column, Py_ssize_t count, uint32_t value) noexcept
    ctypedef struct column_entry:
        int64_t channel
        int32_t key
        uint32_t number
    bint column_after(const column_entry* one, const column_entry* other) noexcept
    column_entry* column_sort(column_entry* entries, column_entry* spare, Py_ssize_t count) noexcept
    ctypedef struct span_tree:
        const int32_t* begin
        const int32_t* end
        const int32_t* key
        Py_ssize_t count
        int32_t* latest
        Py_ssize_t looked
    Py_ssize_t span_layout(span_tree* tree) noexcept
    void span_grow(span_tree* tree) noexcept
    Py_ssize_t span_find(span_tree* tree, int32_t ms) noexcept
    bint char_unspaced(uint32_t char) noexcept
    Py_UCS4 char_at(const unsigned char* at) noexcept
    Py_UCS4 char_before(const unsigned char* at) noexcept


cdef enum:
    REST = 0x80000000           # of an `at` while writing: in `rest`, not in `text`


# -- text -------------------------------------------------------------------------------------------------------------

cdef bint spaced(Py_UCS4 left, Py_UCS4 right) noexcept:
    return not (left.isspace() or right.isspace() or char_unspaced(left) or char_unspaced(right))


def needs_space(str left not None, str right not None):
    return spaced(left, right)


def join_texts(texts):
    cdef list pieces = []
    cdef str text, last = ""
    for text, allowed in texts:
        if text:
            if last and allowed and spaced(last[len(last) - 1], text[0]):
                pieces.append(" ")
            pieces.append(text)
            last = text
    return "".join(pieces)


def join_words(words):
    return join_texts([(punctuated(word), bool((<Word>word).text)) for word in words])


cdef str punctuated(word):
    cdef str text, punctuation, stem, mark
    if not isinstance(word, Word):
        raise TypeError(f"a Word is needed, not a {type(word).__name__}")
    text, punctuation = (<Word>word).text, (<Word>word).punctuation
    if not punctuation:
        return text
    stem, mark = text.rstrip(), punctuation.rstrip()
    if mark and stem.endswith(mark):
        return text
    return stem + punctuation + ("" if punctuation[len(punctuation) - 1].isspace() else text[len(stem):])


# -- columns ----------------------------------------------------------------------------------------------------------

cdef int reserve(Buffer* buffer, size_t count) except -1:
    more(buffer, count)
    buffer.size -= count
    return 0


cdef inline const unsigned char* raw(bytes column) noexcept:
    return <const unsigned char*>PyBytes_AS_STRING(column)


cdef inline const int32_t* times(bytes column) noexcept:
    return <const int32_t*>PyBytes_AS_STRING(column)


cdef bint in_order(const int32_t* column, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i
    for i in range(1, count):
        if column[i - 1] > column[i]:
            return False
    return True


cdef bint is_column(bytes column, Py_ssize_t count, int width):
    return len(column) == count * width and width in (0, 1, 2, 4)


@cython.final
cdef class WordColumns:
    # begin, end    int32, ms, NO_TIME where none
    # key           int32: what the order goes by: begin, and where there is none that of the word before
    # at, size      uint32 and the narrowest that fits: where the word's text is in `pool`, UTF-8
    # kind          numbers into `kinds`, tuples of (punctuation, fixed, speaker_id); empty where there is one kind
    # first         uint32: the number of each sentence's first word, and after them that of all words; where words do
    # sentence      not stand as in their sentences it is empty, and there is the position of each word's sentence
    # channels      int64 for each sentence, or one for all
    # All are bytes in the machine's order, never changed.

    def __cinit__(self, bytes begin not None, bytes end not None, bytes key not None, bytes at not None,
                  bytes size not None, bytes kind not None, bytes sentence not None, bytes first not None,
                  bytes channels not None, bytes pool not None, tuple kinds not None):
        cdef Py_ssize_t n = len(begin) // 4
        self.count = n
        # Pickled, equal columns come back as one.
        self.begin, self.end, self.key, self.at, self.size = begin, end, begin if key == begin else key, at, size
        self.kind, self.sentence, self.first, self.channels = kind, sentence, first, channels
        self.pool, self.kinds = pool, kinds
        if n:
            self.size_width, self.kind_width = len(size) // n, len(kind) // n
            self.sentence_width = len(sentence) // n
        if not self.sound():
            raise ValueError("these are not the columns of words")

    cdef bint sound(self) noexcept:
        # They may come from a pickle, and nothing looks again: 0.4 ms for 150,000 words.
        cdef Py_ssize_t n = self.count, rows = PyBytes_GET_SIZE(self.channels) // 8, i
        cdef Py_ssize_t pool = PyBytes_GET_SIZE(self.pool), kinds = len(self.kinds)
        cdef Py_ssize_t bounds = PyBytes_GET_SIZE(self.first) // 4
        cdef const uint32_t* first = <const uint32_t*>raw(self.first)
        cdef bint one = len(self.channels) == 8
        if (len(self.begin) != 4 * n or len(self.end) != 4 * n or len(self.key) != 4 * n or len(self.at) != 4 * n
                or not is_column(self.size, n, self.size_width) or not is_column(self.kind, n, self.kind_width)
                or not is_column(self.sentence, n, self.sentence_width) or len(self.first) != 4 * bounds):
            return False
        if bounds and (first[0] != 0 or first[bounds - 1] != n):
            return False
        for i in range(1, bounds):
            if first[i - 1] > first[i]:
                return False
        for i in range(n):
            if (<Py_ssize_t>(<const uint32_t*>raw(self.at))[i] + self.size_at(i) > pool or self.kind_at(i) >= kinds
                    or not (one or 0 <= self.sentence_of(i) < rows)):
                return False
        return True

    def __len__(self):
        return self.count

    def __reduce__(self):
        return WordColumns, (self.begin, self.end, self.key, self.at, self.size, self.kind, self.sentence, self.first,
                             self.channels, self.pool, self.kinds)

    cdef const unsigned char* text_at(self, Py_ssize_t i) noexcept:
        return raw(self.pool) + (<const uint32_t*>raw(self.at))[i]

    cdef Py_ssize_t size_at(self, Py_ssize_t i) noexcept:
        return column_get(raw(self.size), self.size_width, i)

    cdef uint32_t kind_at(self, Py_ssize_t i) noexcept:
        return column_get(raw(self.kind), self.kind_width, i)

    cdef Word word(self, Py_ssize_t i):
        cdef Word word = Word.__new__(Word)
        cdef int32_t begin = times(self.begin)[i], end = times(self.end)[i]
        word.begin_time = None if begin == INT32_MIN else begin
        word.end_time = None if end == INT32_MIN else end
        word.text = PyUnicode_DecodeUTF8(<const char*>self.text_at(i), self.size_at(i), b"surrogatepass")
        word.punctuation, word.fixed, word.speaker_id = self.kinds[self.kind_at(i)]
        return word

    cdef Py_ssize_t sentence_of(self, Py_ssize_t i) noexcept:
        if not PyBytes_GET_SIZE(self.first):
            return column_get(raw(self.sentence), self.sentence_width, i)
        return column_bisect(<const uint32_t*>raw(self.first), PyBytes_GET_SIZE(self.first) // 4 - 1, <uint32_t>i) - 1

    cdef int64_t channel_of(self, Py_ssize_t i) noexcept:
        cdef bint one = PyBytes_GET_SIZE(self.channels) == 8
        return (<const int64_t*>raw(self.channels))[0 if one else self.sentence_of(i)]

    cdef WordColumns take(self, numbers):
        # The words with these numbers, in this order; sentence positions stay what they are.
        cdef WordWriter writer = WordWriter()
        cdef Buffer sentence
        cdef Py_ssize_t i
        cdef int width = 0
        cdef size_t channels = PyBytes_GET_SIZE(self.channels)
        memset(&sentence, 0, sizeof(sentence))
        for punctuation, fixed, speaker_id in self.kinds:
            writer.kind_of(punctuation, fixed, speaker_id)
        if channels:
            memcpy(more(&writer.channels, channels), raw(self.channels), channels)
        try:
            for i in numbers:
                writer.word(times(self.begin)[i], times(self.end)[i], self.text_at(i), self.size_at(i), self.kind_at(i))
                (<int32_t*>more(&writer.key, 4))[0] = times(self.key)[i]
                put(&sentence, &width, writer.count - 1, <uint32_t>self.sentence_of(i))
            writer.keyed = True
            return writer.seal(sealed(&sentence))
        finally:
            drop(&sentence)

    cdef WordColumns sorted(self):
        # The same words by (begin, channel), stably; itself where they are in that order already.
        cdef Py_ssize_t i
        cdef Buffer both
        cdef column_entry* entries
        cdef column_entry* order
        cdef bint late = False
        if PyBytes_GET_SIZE(self.channels) <= 8 and in_order(times(self.key), self.count):
            return self
        memset(&both, 0, sizeof(both))
        entries = <column_entry*>more(&both, 2 * self.count * sizeof(column_entry))
        try:
            for i in range(self.count):
                entries[i] = column_entry(self.channel_of(i), times(self.key)[i], <uint32_t>i)
                late |= i > 0 and column_after(&entries[i - 1], &entries[i])
            if not late:
                return self
            order = column_sort(entries, entries + self.count, self.count)
            return self.take([order[i].number for i in range(self.count)])
        finally:
            drop(&both)

    def __eq__(self, other):
        cdef WordColumns that
        cdef Py_ssize_t i
        if not isinstance(other, WordColumns):
            return NotImplemented
        that = <WordColumns>other
        if self.begin != that.begin or self.end != that.end:
            return False
        for i in range(self.count):
            if self.size_at(i) != that.size_at(i) or memcmp(self.text_at(i), that.text_at(i), self.size_at(i)):
                return False
            if self.sentence_of(i) != that.sentence_of(i) or self.channel_of(i) != that.channel_of(i):
                return False
            if self.kinds[self.kind_at(i)] != that.kinds[that.kind_at(i)]:
                return False
        return True

    __hash__ = None


@cython.final
cdef class WordWriter:
    # The columns while words come, sentence after sentence. A word that stands in the text of its sentence where the
    # word before it ended (with its punctuation and spaces) is a span of that text, which is then held once: 9 bytes a
    # word less of English. All other texts go to `rest`, after them in the pool.

    def __cinit__(self):
        self.codes, self.marks, self.last_key = {}, [], INT32_MIN
        (<uint32_t*>more(&self.first, 4))[0] = 0

    def __dealloc__(self):
        drop(&self.begin)
        drop(&self.end)
        drop(&self.key)
        drop(&self.at)
        drop(&self.size)
        drop(&self.kind)
        drop(&self.text)
        drop(&self.rest)
        drop(&self.first)
        drop(&self.channels)

    cdef int reserve(self, size_t size) except -1:
        # For a file of this size: buffers that grow from nothing, beside each other, leave 2 MB of holes in the heap.
        cdef size_t words = size // 96      # at most, as a rule
        reserve(&self.begin, 4 * words)
        reserve(&self.end, 4 * words)
        reserve(&self.at, 4 * words)
        reserve(&self.size, words)
        reserve(&self.kind, words)
        return reserve(&self.text, size // 8)

    cdef int begin_sentence(self, const unsigned char* text, size_t size) except -1:
        # Appends its text to those before it, as `formats.join` does, so that all of it is the transcript's text.
        if size:
            if self.text.size and spaced(char_before(self.text.data + self.text.size), char_at(text)):
                more(&self.text, 1)[0] = c" "
            memcpy(more(&self.text, size), text, size)
        self.cursor = self.text.size - size
        return self.bounded()

    cdef int bounded(self) except -1:
        if self.text.size >= REST or self.rest.size >= REST:
            raise OverflowError("more than 2 GiB of text")
        return 0

    cdef int word(self, int32_t begin, int32_t end, const unsigned char* text, size_t size, uint32_t kind) except -1:
        cdef const unsigned char* sentence = self.text.data
        cdef size_t at = self.cursor, stop = self.text.size
        cdef uint32_t place
        cdef bytes mark
        if stop - at < size or (size and memcmp(sentence + at, text, size)):
            while at < stop and sentence[at] == c" ":
                at += 1
        if stop - at < size or (size and memcmp(sentence + at, text, size)):
            place = REST | <uint32_t>self.rest.size
            if size:
                memcpy(more(&self.rest, size), text, size)
            self.bounded()
        else:
            place = <uint32_t>at
            at += size
            if at < stop:
                mark = <bytes>self.marks[kind]
                if stop - at >= <size_t>len(mark) and not memcmp(sentence + at, raw(mark), len(mark)):
                    at += len(mark)
            self.cursor = at
        (<uint32_t*>more(&self.at, 4))[0] = place
        (<int32_t*>more(&self.begin, 4))[0] = begin
        (<int32_t*>more(&self.end, 4))[0] = end
        put(&self.size, &self.size_width, self.count, <uint32_t>size)
        put(&self.kind, &self.kind_width, self.count, kind)
        self.count += 1
        return 0

    cdef int word_of(self, Word word) except -1:
        cdef str text = word.text
        cdef int32_t begin = ms_of(word.begin_time), end = ms_of(word.end_time)
        cdef bytes encoded
        cdef uint32_t kind
        if text is None:
            raise TypeError("a Word that was never initialised")
        kind = self.kind_of(word.punctuation, None if word.fixed is None else bool(word.fixed), word.speaker_id)
        if PyUnicode_IS_COMPACT_ASCII(text):
            return self.word(begin, end, PyUnicode_1BYTE_DATA(text), len(text), kind)
        encoded = text.encode("utf-8", "surrogatepass")
        return self.word(begin, end, raw(encoded), len(encoded), kind)

    cdef int end_sentence(self, int64_t channel, int32_t begin) except -1:
        cdef Py_ssize_t start = (<uint32_t*>(self.first.data + self.first.size - 4))[0], i
        cdef const int32_t* begins = <const int32_t*>self.begin.data
        cdef int32_t key = self.last_key if begin == INT32_MIN else begin
        for i in range(start, self.count):      # leading words without a time stay before the first that has one
            if begins[i] != INT32_MIN:
                key = begins[i]
                break
        for i in range(start, self.count):
            if begins[i] != INT32_MIN:
                key = begins[i]
            elif not self.keyed and key != INT32_MIN:
                reserve(&self.key, 4 * self.count)
                memcpy(more(&self.key, 4 * i), begins, 4 * i)
                self.keyed = True
            if self.keyed:
                (<int32_t*>more(&self.key, 4))[0] = key
            self.last_key = key
        (<uint32_t*>more(&self.first, 4))[0] = <uint32_t>self.count
        (<int64_t*>more(&self.channels, 8))[0] = channel
        return 0

    cdef uint32_t kind_of(self, str punctuation, object fixed, object speaker_id) except? 0xffffffff:
        cdef tuple kind = (punctuation, fixed, speaker_id)
        code = self.codes.get(kind)
        if code is None:
            code = self.codes[kind] = len(self.codes)
            self.marks.append(punctuation.encode("utf-8", "surrogatepass"))
        return code

    cdef WordColumns seal(self, bytes sentence=None):
        # Of a selection, `sentence` has the positions of the words' sentences.
        cdef Py_ssize_t i, sentences = self.channels.size // 8
        cdef int64_t* channels = <int64_t*>self.channels.data
        cdef uint32_t* at = <uint32_t*>self.at.data
        cdef uint32_t text = <uint32_t>self.text.size
        cdef bytes begin = sealed(&self.begin)
        if self.rest.size:
            memcpy(more(&self.text, self.rest.size), self.rest.data, self.rest.size)
        for i in range(self.count):
            if at[i] & REST:
                at[i] += text + REST    # which takes the mark away
        for i in range(1, sentences):
            if channels[i] != channels[0]:
                break
        else:
            self.channels.size = 8 * min(sentences, 1)
        if sentence is not None:
            drop(&self.first)
        return WordColumns(begin, sealed(&self.end), sealed(&self.key) if self.keyed else begin, sealed(&self.at),
                           sealed(&self.size), sealed(&self.kind), sentence or b"", sealed(&self.first),
                           sealed(&self.channels), sealed(&self.text), tuple(self.codes))


def columns_of(sentences):
    # The words in the order of the sentences.
    cdef WordWriter writer = WordWriter()
    cdef Sentence said
    columns = getattr(sentences, "columns", None)
    if columns is not None:
        return columns
    for sentence in sentences:
        if not isinstance(sentence, Sentence):
            raise TypeError(f"a Sentence is needed, not a {type(sentence).__name__}")
        said = <Sentence>sentence
        for word in said.words:
            if not isinstance(word, Word):
                raise TypeError(f"a sentence has words, not a {type(word).__name__}")
            writer.word_of(<Word>word)
        writer.end_sentence(said.channel_id, ms_of(said.begin_time))
    return writer.seal()


cdef inline int32_t ms_of(time) except? -1:
    return INT32_MIN if time is None else PyNumber_Index(time)


cdef inline int put(Buffer* column, int* width, Py_ssize_t count, uint32_t value) except -1:
    # The next of so many numbers before it.
    cdef int wider = column_width(value)
    if wider > width[0]:
        more(column, count * (wider - width[0]))
        column_widen(column.data, count, width[0], wider)
        width[0] = wider
    if width[0]:
        more(column, width[0])
        column_put(column.data, width[0], count, value)
    return 0


# -- the timeline -----------------------------------------------------------------------------------------------------

@cython.final
@cython.collection_type("sequence")
cdef class WordTimeline:
    cdef readonly WordColumns _columns
    cdef span_tree tree
    cdef Buffer latest          # of the tree; both are made when a look-up first needs them

    def __cinit__(self, WordColumns columns not None):
        self._columns = columns.sorted()

    def __dealloc__(self):
        drop(&self.latest)

    @classmethod
    def from_sentences(cls, sentences):
        return WordTimeline(columns_of(sentences))

    @property
    def begin(self):
        return memoryview(self._columns.begin).cast("i")

    @property
    def end(self):
        return memoryview(self._columns.end).cast("i")

    def __len__(self):
        return self._columns.count

    def __getitem__(self, i):
        cdef Py_ssize_t start, stop, step
        if isinstance(i, slice):
            start, stop, step = i.indices(self._columns.count)
            if step < 0:
                raise ConfigError("a word timeline is in the order of time: the step of a slice must be positive")
            return WordTimeline(self._columns.take(range(start, stop, step)))
        return self._columns.word(self.number_of(i))

    def __iter__(self):
        cdef Py_ssize_t i
        for i in range(self._columns.count):
            yield self._columns.word(i)

    cdef Py_ssize_t number_of(self, i) except -1:
        cdef Py_ssize_t count = self._columns.count, at = clipped(i, NULL)
        if at < 0:
            at += count
        if not 0 <= at < count:
            raise IndexError(f"word {i} of a timeline of {count} words")
        return at

    def locate(self, ms):
        cdef Py_ssize_t at = clipped(ms, NULL), found
        cdef WordColumns columns = self._columns
        if not INT32_MIN < at <= INT32_MAX:
            return None
        if self.tree.begin == NULL:
            self.tree.count = columns.count
            self.tree.latest = <int32_t*>more(&self.latest, 4 * span_layout(&self.tree))
            self.tree.begin, self.tree.end, self.tree.key = times(columns.begin), times(columns.end), times(columns.key)
            span_grow(&self.tree)
        found = span_find(&self.tree, <int32_t>at)
        return None if found < 0 else found

    @property
    def _looked(self):
        # At how many words and blocks of words `locate` has looked so far.
        return self.tree.looked

    def text(self, start=0, stop=None):
        cdef Py_ssize_t first, last
        first, last, _ = slice(start, stop).indices(self._columns.count)
        return join_words([self._columns.word(i) for i in range(first, last)])

    def sentence_of(self, i):
        return self._columns.sentence_of(self.number_of(i))

    def channel(self, channel_id):
        cdef Py_ssize_t i
        chosen = [i for i in range(self._columns.count) if self._columns.channel_of(i) == channel_id]
        return WordTimeline(self._columns.take(chosen))

    def to_arrow(self):
        from .integrations.arrow import of_timeline
        return of_timeline(self)

    def __eq__(self, other):
        if not isinstance(other, WordTimeline):
            return NotImplemented
        return self._columns == (<WordTimeline>other)._columns

    __hash__ = None

    def __repr__(self):
        return f"<WordTimeline of {len(self)} words>"

    def __reduce__(self):
        return WordTimeline, (self._columns,)

    index, count = Sequence.index, Sequence.count


Sequence.register(WordTimeline)
