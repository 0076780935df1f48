# cython: auto_pickle=False, autotestdict=False
# The values handed out: Word, Sentence and the updates that carry sentences.
#
# Knows: fields, equality, printing, pickling. Must not know: JSON, bytes on the wire, or how sentences come to be.
# They are immutable (words are shared between updates) and live in C because a partial costs little more than its
# objects: a class of this kind is made in 11-20 ns, a frozen dataclass in 530 ns.

cimport cython


cdef extern from "text.h":
    bint text_stands(str text, Py_ssize_t at, str piece, Py_ssize_t first, Py_ssize_t last) noexcept


# Those made for every event have no __cinit__: to read arguments that nobody gave takes longer than all else in making
# one.
cdef str IMMUTABLE = "values are immutable: they are initialised once"


cdef tuple members(value):
    return tuple([getattr(value, name) for name in type(value).__match_args__])


cdef class _Value:
    # One definition of equality, hash, repr and pickling for all values, over `__match_args__`.

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return members(self) == members(other)

    def __hash__(self):
        return hash((type(self), members(self)))

    def __repr__(self):
        pairs = ", ".join([f"{name}={getattr(self, name)!r}" for name in type(self).__match_args__ if name != "raw"])
        return f"{type(self).__name__}({pairs})"

    def __reduce__(self):
        return type(self), members(self)


@cython.final
@cython.no_gc
cdef class Word(_Value):
    __match_args__ = ("begin_time", "end_time", "text", "punctuation", "fixed", "speaker_id")

    def __init__(self, begin_time=None, end_time=None, str text not None="", str punctuation not None="",
                 fixed=None, speaker_id=None):
        if self.text is not None:
            raise TypeError(IMMUTABLE)
        self.begin_time = begin_time
        self.end_time = end_time
        self.text = text
        self.punctuation = punctuation
        self.fixed = fixed
        self.speaker_id = speaker_id


@cython.final
@cython.no_gc
cdef class Sentence(_Value):
    __match_args__ = ("index", "sentence_id", "channel_id", "begin_time", "end_time", "text", "words", "language",
                      "emotion", "speaker_id", "final", "finality", "revision", "raw")

    def __init__(self, Py_ssize_t index, sentence_id=None, Py_ssize_t channel_id=0, begin_time=None, end_time=None,
                 str text not None="", tuple words not None=(), str language=None, str emotion=None, speaker_id=None,
                 bint final=False, str finality=None, Py_ssize_t revision=0, bytes raw=None):
        if self.text is not None:
            raise TypeError(IMMUTABLE)
        self.index = index
        self.sentence_id = sentence_id
        self.channel_id = channel_id
        self.begin_time = begin_time
        self.end_time = end_time
        self.text = text
        self.words = words
        self.language = language
        self.emotion = emotion
        self.speaker_id = speaker_id
        self.final = final
        self.finality = finality
        self.revision = revision
        self.raw = raw

    def spans(self):
        cdef list spans = [None] * len(self.words)
        cdef Py_ssize_t first = _align_forward(self.text, self.words, spans)
        if first < len(self.words):
            _align_backward(self.text, self.words, spans, first)
        return tuple(spans)


cdef Word word_at(tuple words, Py_ssize_t i):
    word = words[i]
    if not isinstance(word, Word):      # None too, which a typed variable would take for one
        raise TypeError(f"words[{i}] is a {type(word).__name__}, not a Word")
    return word


cdef bint place(str text, Word word, Py_ssize_t* at, Py_ssize_t* start, Py_ssize_t* stop):
    # Whether the word stands in the text at `at`, white space aside; its place, and in `at` what comes after it and its
    # punctuation.
    cdef str piece = word.text
    cdef Py_ssize_t here = at[0], size = len(text), first = 0, last = len(piece)
    if not text_stands(text, here, piece, 0, last):
        while first < last and piece[first].isspace():
            first += 1
        while last > first and piece[last - 1].isspace():
            last -= 1
        while here < size and text[here].isspace():
            here += 1
        if not text_stands(text, here, piece, first, last):
            return False
    start[0] = here
    here += last - first
    stop[0] = here
    piece = word.punctuation
    first, last = 0, len(piece)
    if last and not text_stands(text, here, piece, 0, last):
        while first < last and piece[first].isspace():
            first += 1
        while last > first and piece[last - 1].isspace():
            last -= 1
    if first < last and text_stands(text, here, piece, first, last):
        here += last - first
    at[0] = here
    return True


cdef Py_ssize_t _align_forward(str text, tuple words, list spans):
    # Gives each word its place from the front; returns the number of the first word that is not there.
    cdef Py_ssize_t at = 0, start = 0, stop = 0, i
    for i in range(len(words)):
        if not place(text, word_at(words, i), &at, &start, &stop):
            return i
        spans[i] = (start, stop)
    return len(words)


cdef _align_backward(str text, tuple words, list spans, Py_ssize_t first):
    # What the front could not place is placed from the back, so that one rewritten number does not unplace the rest.
    cdef Py_ssize_t at = len(text), i, start = 0
    cdef Word word
    cdef str piece
    if first > 0:
        start = spans[first - 1][1]
    for i in range(len(words) - 1, first - 1, -1):
        word = word_at(words, i)
        while at > start and text[at - 1].isspace():
            at -= 1
        piece = word.punctuation.strip()
        if piece and at - len(piece) >= start and text.startswith(piece, at - len(piece)):
            at -= len(piece)
            while at > start and text[at - 1].isspace():
                at -= 1
        piece = word.text.strip()
        if at - len(piece) < start or not text.startswith(piece, at - len(piece)):
            return
        at -= len(piece)
        spans[i] = (at, at + len(piece))


@cython.final
@cython.no_gc
cdef class Partial(_Value):
    __match_args__ = ("sentence", "stable", "kept")

    def __init__(self, Sentence sentence not None, Py_ssize_t stable=0, Py_ssize_t kept=0):
        if self.sentence is not None:
            raise TypeError(IMMUTABLE)
        self.sentence = sentence
        self.stable = stable
        self.kept = kept


@cython.final
@cython.no_gc
cdef class Final(_Value):
    __match_args__ = ("sentence", "usage", "kept")

    def __init__(self, Sentence sentence not None, usage=None, Py_ssize_t kept=0):
        if self.sentence is not None:
            raise TypeError(IMMUTABLE)
        self.sentence = sentence
        self.usage = usage
        self.kept = kept


@cython.final
@cython.no_gc
cdef class Amended(_Value):
    __match_args__ = ("sentence", "replaced")
    cdef readonly Sentence sentence
    cdef readonly tuple replaced

    def __cinit__(self, Sentence sentence not None, tuple replaced not None):
        self.sentence = sentence
        self.replaced = replaced


@cython.final
@cython.no_gc
cdef class Incomplete(_Value):
    __match_args__ = ("sentence", "reason", "kept")
    cdef readonly Sentence sentence
    cdef readonly str reason
    cdef readonly Py_ssize_t kept

    def __cinit__(self, Sentence sentence not None, str reason not None, Py_ssize_t kept=0):
        self.sentence = sentence
        self.reason = reason
        self.kept = kept


@cython.final
@cython.no_gc
cdef class TextDelta(_Value):
    __match_args__ = ("text", "offset")

    def __cinit__(self, str text not None, Py_ssize_t offset=0):
        self.text = text
        self.offset = offset


@cython.final
@cython.no_gc
cdef class Usage(_Value):
    __match_args__ = ("seconds", "input_tokens", "audio_tokens", "output_tokens", "total_tokens", "raw")

    def __cinit__(self, seconds=None, input_tokens=None, audio_tokens=None, output_tokens=None, total_tokens=None,
                  dict raw=None):
        self.seconds = seconds
        self.input_tokens = input_tokens
        self.audio_tokens = audio_tokens
        self.output_tokens = output_tokens
        self.total_tokens = total_tokens
        self.raw = raw

    def __hash__(self):
        return hash((self.seconds, self.input_tokens, self.audio_tokens, self.output_tokens, self.total_tokens))

    def __eq__(self, other):
        return _Value.__eq__(self, other)
