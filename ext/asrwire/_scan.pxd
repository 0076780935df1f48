from libc.stdint cimport int32_t, int64_t


cdef extern from "scan.h":
    ctypedef const unsigned char* json_at
    ctypedef struct json_string:
        json_at data
        Py_ssize_t size
        int flags
    ctypedef struct json_speaker:
        int kind
        int64_t number
        json_string text
    ctypedef struct json_word:
        int32_t begin_time, end_time
        json_string text, punctuation
        int fixed
        json_speaker speaker
    ctypedef struct json_sentence:
        int32_t begin_time, end_time
        int64_t sentence_id, channel_id
        bint identified
        json_string text, language, emotion
        json_speaker speaker
        int closed, heartbeat, opened
    ctypedef struct json_member:
        pass
    ctypedef struct json_piece:
        pass
    ctypedef struct json_walk:
        int number, level
        unsigned seen
    enum:
        JSON_NO_TIME, JSON_ESCAPED, JSON_OUTSIDE, JSON_OTHER, JSON_LEVELS, JSON_WORD_NUMBERS
        JSON_SAID_TEXT, JSON_SAID_WORDS, JSON_SAID_NUMBERS
    const json_member* json_sentence_members
    int JSON_COUNT(const json_member* members) noexcept
    bint json_is(json_at at, json_at end, const char* literal) noexcept
    bint json_named(json_string name, const char* literal) noexcept
    Py_ssize_t json_common(json_at one, json_at other, Py_ssize_t size) noexcept
    json_at json_space(json_at at, json_at end) noexcept
    json_at json_string_end(json_at at, json_at end, int* flags) noexcept
    Py_ssize_t json_unescape(json_at at, Py_ssize_t size, unsigned char* out) noexcept
    json_at json_open(json_at at, json_at end, unsigned char open, unsigned char close, int* more) noexcept
    json_at json_next(json_at at, json_at end, unsigned char close, int* more) noexcept
    json_at json_step(json_at at, json_at end, json_walk* walk, const json_member* known, int count,
                      json_piece* pieces) noexcept
    json_at json_read_name(json_at at, json_at end, json_string* name) noexcept
    json_at json_read_text(json_at at, json_at end, int check, json_string* out) noexcept
    json_at json_read_word(json_at at, json_at end, int check, json_word* out, json_piece* pieces) noexcept
    void json_clear_sentence(json_sentence* out) noexcept
    json_at json_read_said(int number, json_at at, json_at end, int check, json_sentence* out) noexcept
    json_at json_check_value(json_at at, json_at end, int depth) noexcept
    json_at json_skip_value(json_at at, json_at end) noexcept
    json_at json_skip_container(json_at at, json_at end) noexcept
    bint json_same_string(const json_string* one, const json_string* other) noexcept
    bint json_same_speaker(const json_speaker* one, const json_speaker* other) noexcept
