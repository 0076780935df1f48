/* JSON text read in place: where strings and containers end, integers, and one word object.
 *
 * Knows: RFC 8259 and the members of a word and of a sentence. Must not know: Python, events, files.
 *
 * Every reader takes the first byte to look at and the end of the text, and returns the byte after what it read, or
 * NULL for whatever is not plain and well-formed: its caller then leaves the whole text to orjson, so a reader may
 * refuse what is valid but rare, and must never accept what orjson would not, or read it otherwise. The two skipping
 * readers (json_skip_*) promise less: they find the end of a valid value, and do not look at what lies between.
 *
 * With SSE2 a compare looks at 16 bytes, with AVX2 (found when it runs) at 32; built with ASRWIRE_PORTABLE, or
 * elsewhere, a table at one. All are tested.
 */
#ifndef ASRWIRE_SCAN_H
#define ASRWIRE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(ASRWIRE_PORTABLE)
#include <immintrin.h>
#define JSON_SIMD 1
#else
#define JSON_SIMD 0
#endif

typedef const unsigned char *json_at;

#define JSON_NO_TIME INT32_MIN
enum { JSON_ESCAPED = 1, JSON_NON_ASCII = 2 };      /* of a string */
enum { JSON_DEPTH = 64 };                           /* of an unknown member; deeper ones are left to orjson */

typedef struct {
    json_at data;
    ptrdiff_t size;
    int flags;
} json_string;

typedef struct {                /* `speaker_id`, which is null, an integer or a string */
    int kind;                   /* 0, 1, 2 */
    int64_t number;
    json_string text;
} json_speaker;

typedef struct {
    int32_t begin_time, end_time;       /* ms, JSON_NO_TIME where none */
    json_string text, punctuation;      /* size -1: null or absent */
    int fixed;                          /* -1: null or absent */
    json_speaker speaker;
} json_word;

/* 1: ends a run of plain bytes in a string (quote, backslash, control). 2, 4: opens, closes a container. */
static const unsigned char json_kind[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['"'] = 1, ['\\'] = 1, ['['] = 2, ['{'] = 2, [']'] = 4, ['}'] = 4,
};

static inline json_at json_space(json_at at, json_at end) {
    while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* How many of the first `size` bytes are alike. */
static inline ptrdiff_t json_common(json_at one, json_at other, ptrdiff_t size) {
    ptrdiff_t at = 0;
#if JSON_SIMD
    for (; size - at >= 64; at += 64) {
        __m128i alike = _mm_set1_epi8(-1);
        for (int i = 0; i < 64; i += 16)
            alike = _mm_and_si128(alike, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(one + at + i)),
                                                        _mm_loadu_si128((const __m128i *)(other + at + i))));
        if (_mm_movemask_epi8(alike) != 0xffff)
            break;
    }
#endif
    while (size - at >= 8 && memcmp(one + at, other + at, 8) == 0)
        at += 8;
    while (at < size && one[at] == other[at])
        at++;
    return at;
}

/* -- strings -------------------------------------------------------------------------------------------------------- */

/* `at` is after the opening quote. Returns the closing one. Escapes and UTF-8 are not checked here. */
static inline json_at json_string_end(json_at at, json_at end, int *flags) {
    int seen = 0;
    for (;;) {
#if JSON_SIMD
        while (end - at >= 16) {
            __m128i block = _mm_loadu_si128((const __m128i *)at), control = _mm_set1_epi8(0x1f);
            __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                        _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
            unsigned high = (unsigned)_mm_movemask_epi8(block), stops;
            stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_max_epu8(block, control), control));
            stops = (unsigned)_mm_movemask_epi8(stop);
            if (stops) {
                unsigned first = (unsigned)__builtin_ctz(stops);
                if (high & ((1u << first) - 1))
                    seen |= JSON_NON_ASCII;
                at += first;
                goto stopped;
            }
            if (high)
                seen |= JSON_NON_ASCII;
            at += 16;
        }
#endif
        while (at < end && json_kind[*at] != 1) {
            if (*at & 0x80)
                seen |= JSON_NON_ASCII;
            at++;
        }
        if (at >= end)
            return NULL;
#if JSON_SIMD
    stopped:
#endif
        if (*at == '"') {
            *flags = seen;
            return at;
        }
        if (*at != '\\' || end - at < 2)
            return NULL;
        seen |= JSON_ESCAPED;
        at += 2;
    }
}

static inline int json_utf8_valid(json_at at, ptrdiff_t size) {
    json_at end = at + size;
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), !(eight & 0x8080808080808080u))) {
            at += 8;
        } else if (*at < 0x80) {
            at++;
        } else if (*at >= 0xc2 && *at <= 0xdf) {
            if (end - at < 2 || (at[1] & 0xc0) != 0x80)
                return 0;
            at += 2;
        } else if (*at >= 0xe0 && *at <= 0xef) {
            if (end - at < 3 || (at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80 || (*at == 0xe0 && at[1] < 0xa0)
                    || (*at == 0xed && at[1] > 0x9f))
                return 0;
            at += 3;
        } else if (*at >= 0xf0 && *at <= 0xf4) {
            if (end - at < 4 || (at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80 || (at[3] & 0xc0) != 0x80
                    || (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
                return 0;
            at += 4;
        } else {
            return 0;
        }
    }
    return 1;
}

static inline int json_hex4(json_at at, uint32_t *code) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char digit = at[i];
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (uint32_t)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            value = value << 4 | (uint32_t)((digit | 0x20) - 'a' + 10);
        else
            return 0;
    }
    *code = value;
    return 1;
}

/* Writes what the inside of a string stands for, as UTF-8, to `out` (never longer than it; NULL: only checks).
 * Returns its size, -1 for an escape that does not exist or a surrogate without its pair. */
static inline ptrdiff_t json_unescape(json_at at, ptrdiff_t size, unsigned char *out) {
    json_at end = at + size;
    ptrdiff_t made = 0;
    while (at < end) {
        unsigned char utf8[4];
        uint32_t code, low;
        int length = 1;
        json_at plain = at;
        while (at < end && *at != '\\')
            at++;
        if (out != NULL)
            memcpy(out + made, plain, (size_t)(at - plain));
        made += at - plain;
        if (at == end)
            break;
        if (end - at < 2)
            return -1;
        switch (at[1]) {
        case '"': case '\\': case '/': utf8[0] = at[1]; break;
        case 'b': utf8[0] = '\b'; break;
        case 'f': utf8[0] = '\f'; break;
        case 'n': utf8[0] = '\n'; break;
        case 'r': utf8[0] = '\r'; break;
        case 't': utf8[0] = '\t'; break;
        case 'u':
            if (end - at < 6 || !json_hex4(at + 2, &code))
                return -1;
            at += 4;
            if (code >= 0xd800 && code <= 0xdfff) {
                if (code > 0xdbff || end - at < 8 || at[2] != '\\' || at[3] != 'u' || !json_hex4(at + 4, &low)
                        || low < 0xdc00 || low > 0xdfff)
                    return -1;
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
            }
            if (code < 0x80) {
                utf8[0] = (unsigned char)code;
            } else if (code < 0x800) {
                length = 2;
                utf8[0] = (unsigned char)(0xc0 | code >> 6);
            } else if (code < 0x10000) {
                length = 3;
                utf8[0] = (unsigned char)(0xe0 | code >> 12);
            } else {
                length = 4;
                utf8[0] = (unsigned char)(0xf0 | code >> 18);
            }
            for (int i = 1; i < length; i++)
                utf8[i] = (unsigned char)(0x80 | (code >> 6 * (length - 1 - i) & 0x3f));
            break;
        default:
            return -1;
        }
        at += 2;
        if (out != NULL)
            memcpy(out + made, utf8, (size_t)length);
        made += length;
    }
    return made;
}

/* A string, UTF-8 and escapes checked only where `check`: who makes a str of it finds the rest. `at` is the quote. */
static inline json_at json_read_string(json_at at, json_at end, int check, json_string *out) {
    json_at stop;
    if (at >= end || *at != '"' || (stop = json_string_end(at + 1, end, &out->flags)) == NULL)
        return NULL;
    out->data = at + 1;
    out->size = stop - at - 1;
    if (check && (((out->flags & JSON_NON_ASCII) && !json_utf8_valid(out->data, out->size))
            || ((out->flags & JSON_ESCAPED) && json_unescape(out->data, out->size, NULL) < 0)))
        return NULL;
    return stop + 1;
}

/* -- literals, numbers, members ------------------------------------------------------------------------------------- */

#define json_is(at, end, literal) \
    ((end) - (at) >= (ptrdiff_t)sizeof(literal) - 1 && memcmp(at, literal, sizeof(literal) - 1) == 0)

/* An integer without fraction or exponent, of at most 18 digits. */
static inline json_at json_read_integer(json_at at, json_at end, int64_t *out) {
    uint64_t value = 0;
    unsigned digit;
    int negative;
    json_at first, stop;
#if JSON_SIMD
    if (end - at >= 8) {                /* up to 7 digits, all at once: a word has two times, and a branch a digit costs */
        memcpy(&value, at, 8);
        value ^= 0x3030303030303030u;
        uint64_t others = (value | (value + 0x7676767676767676u)) & 0x8080808080808080u;
        int bits = others ? __builtin_ctzll(others) & 56 : 0;
        if (bits && (bits == 8 || *at != '0') && at[bits / 8] != '.' && (at[bits / 8] | 0x20) != 'e') {
            value = value << (64 - bits);
            value = value * 10 + (value >> 8);
            value = ((value & 0x000000ff000000ffu) * 0x000f424000000064u
                     + (value >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >> 32;
            *out = (int64_t)value;
            return at + bits / 8;
        }
        value = 0;
    }
#endif
    negative = at < end && *at == '-';
    first = at += negative;
    stop = end - at > 19 ? at + 19 : end;
    while (at < stop && (digit = *at - '0') <= 9) {
        value = value * 10 + digit;
        at++;
    }
    if (at == first || at - first > 18 || (*first == '0' && (negative || at - first > 1)))
        return NULL;
    if (at < end && (*at == '.' || *at == 'e' || *at == 'E'))
        return NULL;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return at;
}

/* null, or a time in ms from 0 to 2**31-1, or -1, which means none. */
static inline json_at json_read_time(json_at at, json_at end, int32_t *out) {
    int64_t value;
    *out = JSON_NO_TIME;
    if (at < end && *at == 'n')
        return json_is(at, end, "null") ? at + 4 : NULL;
    at = json_read_integer(at, end, &value);
    if (at == NULL || value < -1 || value > INT32_MAX)
        return NULL;
    if (value >= 0)
        *out = (int32_t)value;
    return at;
}

static inline json_at json_read_boolean(json_at at, json_at end, int *out) {
    if (json_is(at, end, "true")) {
        *out = 1;
        return at + 4;
    }
    *out = json_is(at, end, "null") ? -1 : 0;
    return *out ? at + 4 : json_is(at, end, "false") ? at + 5 : NULL;
}

/* null (size -1) or a string. */
static inline json_at json_read_text(json_at at, json_at end, int check, json_string *out) {
    if (json_is(at, end, "null")) {
        out->size = -1;
        return at + 4;
    }
    return json_read_string(at, end, check, out);
}

static inline json_at json_read_speaker(json_at at, json_at end, int check, json_speaker *out) {
    out->kind = 0;
    if (json_is(at, end, "null"))
        return at + 4;
    if (at < end && *at == '"') {
        out->kind = 2;
        return json_read_string(at, end, check, &out->text);
    }
    out->kind = 1;
    return json_read_integer(at, end, &out->number);
}

/* The name of a member and its colon; `at` is the quote. A name with an escape is refused. Returns the value. */
static inline json_at json_read_name(json_at at, json_at end, json_string *name) {
    at = json_read_string(at, end, 0, name);
    if (at == NULL || (name->flags & JSON_ESCAPED))
        return NULL;
    if (at < end && *at == ':')
        at++;
    else if ((at = json_space(at, end)) < end && *at == ':')
        at++;
    else
        return NULL;
    return json_space(at, end);
}

#define json_named(name, literal) \
    ((name).size == (ptrdiff_t)sizeof(literal) - 1 && memcmp((name).data, literal, sizeof(literal) - 1) == 0)

/* An object and those in it that open a level are walked from value to value. Its members have numbers, which tell their
 * level too; those that are not known, or may come again, have the low ones. */
enum { JSON_OUTSIDE, JSON_OTHER, JSON_LEVELS = 3 };         /* JSON_OTHER + level: a member that is not known */

typedef struct {
    unsigned char level, number, opens, once;
    const char *name;
    ptrdiff_t size;
} json_member;

#define JSON_MEMBER(level, number, name) {level, number, 0, 1, name, sizeof(name) - 1}
#define JSON_OPENS(level, number, name) {level, number, 1, 1, name, sizeof(name) - 1}
#define JSON_AGAIN(level, number, name) {level, number, 0, 0, name, sizeof(name) - 1}

typedef struct {
    int number, level;                  /* of the member whose value is to be read; JSON_OUTSIDE, -1 before and after */
    unsigned seen;                      /* one bit a number */
} json_walk;

/* What stood between the value of a member and the next one, the last time: comma, name and colon, often more. Services
 * print their members in one order and as densely, so this is one compare for each; to find the names took three times
 * as long. Any state will do that json_learn left or that is all zeros. */
typedef struct {
    unsigned first;                     /* one bit a byte, of the first 16; 0: nothing is known, or it is too long */
    unsigned names;                     /* which numbers it has, one bit each */
    unsigned char size, number;
    signed char level;
    unsigned char text[56];
} json_piece;

static inline int json_expect(json_at at, json_at end, const json_piece *piece) {
    ptrdiff_t size = piece->size;
#if JSON_SIMD
    if (end - at >= 16) {
        unsigned alike = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(
            _mm_loadu_si128((const __m128i *)at), _mm_loadu_si128((const __m128i *)piece->text)));
        if ((~alike & piece->first) || !piece->first)
            return 0;
        return size <= 16 || (end - at >= size && memcmp(at + 16, piece->text + 16, (size_t)(size - 16)) == 0);
    }
#endif
    return piece->first && end - at >= size && memcmp(at, piece->text, (size_t)size) == 0;
}

/* The same, read: from the end of a value at this level to the next value, or past the end of it all. */
static __attribute__((noinline)) json_at json_learn(json_at at, json_at end, int level, const json_member *known,
                                                    int count, json_piece *piece) {
    json_at from = at;
    int opens = level < 0;
    piece->first = piece->names = 0;
    piece->number = JSON_OUTSIDE;
    do {
        json_string name;
        int i;
        at = opens ? at : json_space(at, end);
        if (at >= end)
            return NULL;
        if (*at == '}' && !opens) {
            at++;
            level--;
            continue;
        }
        if (*at != (opens ? '{' : ','))
            return NULL;
        level += opens;
        at = json_space(at + 1, end);
        if (opens && at < end && *at == '}') {
            piece->number = JSON_OUTSIDE;
            opens = 0;
            continue;
        }
        at = json_read_name(at, end, &name);
        if (at == NULL || ((name.flags & JSON_NON_ASCII) && !json_utf8_valid(name.data, name.size)))
            return NULL;
        for (i = 0; i < count; i++)
            if (known[i].level == level && known[i].size == name.size
                    && memcmp(known[i].name, name.data, (size_t)name.size) == 0)
                break;
        piece->number = (unsigned char)(i < count ? known[i].number : JSON_OTHER + level);
        opens = i < count && known[i].opens;
        if (i < count && known[i].once) {
            if (piece->names & 1u << known[i].number)
                return NULL;
            piece->names |= 1u << known[i].number;
        }
    } while (level >= 0 && (opens || piece->number == JSON_OUTSIDE));
    piece->level = (signed char)level;
    if (at - from <= (ptrdiff_t)sizeof(piece->text)) {
        piece->size = (unsigned char)(at - from);
        piece->first = at - from < 16 ? (1u << (at - from)) - 1 : 0xffff;
        memcpy(piece->text, from, (size_t)(at - from));
    }
    return at;
}

/* To the value of the next member, or past the end: JSON_OUTSIDE. A second one of a kind that comes once is refused.
 * `pieces`: one a number. */
static inline json_at json_step(json_at at, json_at end, json_walk *walk, const json_member *known, int count,
                                json_piece *pieces) {
    json_piece *piece = &pieces[walk->number];
    unsigned seen = walk->seen;
    if (json_expect(at, end, piece))
        at += piece->size;
    else if ((at = json_learn(at, end, walk->level, known, count, piece)) == NULL)
        return NULL;
    if (seen & piece->names)
        return NULL;
    walk->seen = seen | piece->names;
    walk->number = piece->number;
    walk->level = piece->level;
    return at;
}

/* After a value: the comma, then the next value or name (*more 1), or the `close` (*more 0). */
static inline json_at json_next(json_at at, json_at end, unsigned char close, int *more) {
    at = json_space(at, end);
    if (at >= end || (*at != ',' && *at != close))
        return NULL;
    *more = *at == ',';
    return *more ? json_space(at + 1, end) : at + 1;
}

/* -- values that nobody asked for ----------------------------------------------------------------------------------- */

/* Any value, checked as orjson checks it; exponents and numbers of more than 18 digits are refused. */
static inline json_at json_check_value(json_at at, json_at end, int depth) {
    json_string name;
    int64_t number;
    json_at stop;
    unsigned char close;
    int more = 1;
    if (at >= end || depth > JSON_DEPTH)
        return NULL;
    switch (*at) {
    case '"': return json_read_string(at, end, 1, &name);
    case 't': return json_is(at, end, "true") ? at + 4 : NULL;
    case 'f': return json_is(at, end, "false") ? at + 5 : NULL;
    case 'n': return json_is(at, end, "null") ? at + 4 : NULL;
    case '{': case '[': break;
    default:
        stop = json_read_integer(at, end, &number);
        if (stop != NULL)
            return stop;
        at += *at == '-';
        stop = at;
        while (stop < end && *stop >= '0' && *stop <= '9')
            stop++;
        if (stop == at || stop - at > 18 || (*at == '0' && stop - at > 1) || stop >= end || *stop != '.')
            return NULL;
        at = ++stop;
        while (stop < end && *stop >= '0' && *stop <= '9')
            stop++;
        return stop == at || (stop < end && (*stop == 'e' || *stop == 'E')) ? NULL : stop;
    }
    close = *at == '{' ? '}' : ']';
    at = json_space(at + 1, end);
    if (at < end && *at == close)
        return at + 1;
    while (more) {
        if (close == '}') {
            at = json_read_name(at, end, &name);
            if (at == NULL || ((name.flags & JSON_NON_ASCII) && !json_utf8_valid(name.data, name.size)))
                return NULL;
        }
        at = json_check_value(at, end, depth + 1);
        if (at == NULL || (at = json_next(at, end, close, &more)) == NULL)
            return NULL;
    }
    return at;
}

#if JSON_SIMD
typedef struct {
    uint64_t quotes, escapes, opens, closes;        /* one bit a byte of 64 */
} json_bits;

/* '[' and '{' differ in one bit, and so do ']' and '}'. */
static inline __attribute__((always_inline)) json_bits json_block(json_at at) {
    json_bits bits = {0, 0, 0, 0};
    for (int i = 0; i < 64; i += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(at + i)), folded = _mm_or_si128(block, _mm_set1_epi8(0x20));
#define JSON_BITS(of, byte) ((uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(of, _mm_set1_epi8(byte))) << i)
        bits.quotes |= JSON_BITS(block, '"');
        bits.escapes |= JSON_BITS(block, '\\');
        bits.opens |= JSON_BITS(folded, '{');
        bits.closes |= JSON_BITS(folded, '}');
#undef JSON_BITS
    }
    return bits;
}

static inline __attribute__((always_inline, target("avx2"))) json_bits json_block_avx2(json_at at) {
    json_bits bits = {0, 0, 0, 0};
    for (int i = 0; i < 64; i += 32) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(at + i));
        __m256i folded = _mm256_or_si256(block, _mm256_set1_epi8(0x20));
#define JSON_BITS(of, byte) \
    ((uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(of, _mm256_set1_epi8(byte))) << i)
        bits.quotes |= JSON_BITS(block, '"');
        bits.escapes |= JSON_BITS(block, '\\');
        bits.opens |= JSON_BITS(folded, '{');
        bits.closes |= JSON_BITS(folded, '}');
#undef JSON_BITS
    }
    return bits;
}

/* Each bit becomes: how many quotes up to here, odd or even. */
static inline uint64_t json_strings(uint64_t quotes) {
    for (int i = 1; i < 64; i *= 2)
        quotes ^= quotes << i;
    return quotes;
}

static inline __attribute__((always_inline, target("pclmul"))) uint64_t json_strings_avx2(uint64_t quotes) {
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)quotes),
                                                            _mm_set1_epi8(-1), 0));
}

/* COUNTS: where a bit count is one instruction, blocks in which the container cannot end are only counted. */
#define JSON_SKIP(BLOCK, STRINGS, COUNTS) \
    ptrdiff_t depth = 0; \
    uint64_t in_string = 0, carry = 0;      /* all ones inside a string; whether the next byte is escaped */ \
    for (; at < end; at += 64) { \
        unsigned char last[64]; \
        json_at block = at; \
        if (end - at < 64) { \
            memset(last, ' ', 64); \
            memcpy(last, at, (size_t)(end - at)); \
            block = last; \
        } \
        json_bits bits = BLOCK(block); \
        uint64_t strings = bits.quotes, brackets; \
        if (bits.escapes | carry) \
            strings &= ~json_escaped(bits.escapes, &carry); \
        strings = STRINGS(strings) ^ in_string; \
        in_string = 0 - (strings >> 63); \
        if (bits.escapes & ~strings) \
            return NULL;                    /* a backslash outside a string */ \
        bits.opens &= ~strings; \
        bits.closes &= ~strings; \
        if (COUNTS && __builtin_popcountll(bits.closes) < depth) { \
            depth += __builtin_popcountll(bits.opens) - __builtin_popcountll(bits.closes); \
            continue; \
        } \
        brackets = bits.opens | bits.closes; \
        while (brackets) { \
            uint64_t one = brackets & (0 - brackets); \
            if (bits.opens & one) \
                depth++; \
            else if (--depth == 0) \
                return at + __builtin_ctzll(one) + 1; \
            brackets ^= one; \
        } \
    } \
    return NULL

/* Of 64 bytes, those after a backslash that is not escaped itself. */
static inline uint64_t json_escaped(uint64_t escapes, uint64_t *carry) {
    uint64_t escaped = *carry;
    escapes &= ~*carry;
    *carry = 0;
    while (escapes) {
        uint64_t one = escapes & (0 - escapes);
        escaped |= one << 1;
        *carry = one >> 63;
        escapes &= ~(one | one << 1);
    }
    return escaped;
}

static inline json_at json_skip_sse2(json_at at, json_at end) {
    JSON_SKIP(json_block, json_strings, 0);
}

static __attribute__((target("avx2,bmi,popcnt,pclmul"), unused)) json_at json_skip_avx2(json_at at, json_at end) {
    JSON_SKIP(json_block_avx2, json_strings_avx2, 1);
}

static inline int json_has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt")
        && __builtin_cpu_supports("pclmul");
}

/* Past the container that opens at `at`. What is in it is not checked. */
static inline json_at json_skip_container(json_at at, json_at end) {
    return json_has_avx2() ? json_skip_avx2(at, end) : json_skip_sse2(at, end);
}
#else
static inline json_at json_skip_container(json_at at, json_at end) {
    ptrdiff_t depth = 0;
    while (at < end) {
        unsigned char byte = *at++, kind = json_kind[byte];
        if (byte == '"') {
            while (at < end && *at != '"')
                at += *at == '\\' ? 2 : 1;
            at++;
        } else if (byte == '\\') {
            return NULL;
        } else if (kind == 2) {
            depth++;
        } else if (kind == 4 && --depth == 0) {
            return at;
        }
    }
    return NULL;
}
#endif

/* Past any value. Strings and containers are not checked. */
static inline json_at json_skip_value(json_at at, json_at end) {
    int flags;
    if (at < end && *at == '"') {
        at = json_string_end(at + 1, end, &flags);
        return at == NULL ? NULL : at + 1;
    }
    if (at < end && (*at == '{' || *at == '['))
        return json_skip_container(at, end);
    return json_check_value(at, end, 0);
}

/* -- words ---------------------------------------------------------------------------------------------------------- */

enum { JSON_BEGIN_TIME = JSON_OTHER + 1, JSON_END_TIME, JSON_TEXT, JSON_PUNCTUATION, JSON_FIXED, JSON_SPEAKER_ID,
       JSON_WORD_NUMBERS };

static const json_member json_word_members[] = {
    JSON_MEMBER(0, JSON_BEGIN_TIME, "begin_time"), JSON_MEMBER(0, JSON_END_TIME, "end_time"),
    JSON_MEMBER(0, JSON_TEXT, "text"), JSON_MEMBER(0, JSON_PUNCTUATION, "punctuation"),
    JSON_MEMBER(0, JSON_FIXED, "fixed"), JSON_MEMBER(0, JSON_SPEAKER_ID, "speaker_id"),
};

#define JSON_COUNT(members) ((int)(sizeof(members) / sizeof((members)[0])))

/* One item of `words`; `at` is the brace. Unknown members are checked and passed over, a repeated one is refused. With
 * `check`, UTF-8 and escapes are checked too; else whoever makes a str of them finds out. `pieces`: JSON_WORD_NUMBERS,
 * kept from word to word. */
static inline json_at json_read_word(json_at at, json_at end, int check, json_word *out, json_piece *pieces) {
    json_walk walk = {JSON_OUTSIDE, -1, 0};
    out->begin_time = out->end_time = JSON_NO_TIME;
    out->text.size = out->punctuation.size = -1;
    out->fixed = -1;
    out->speaker.kind = 0;
    do {
        at = json_step(at, end, &walk, json_word_members, JSON_COUNT(json_word_members), pieces);
        if (at == NULL)
            return NULL;
        switch (walk.number) {
        case JSON_OUTSIDE: return at;
        case JSON_BEGIN_TIME: at = json_read_time(at, end, &out->begin_time); break;
        case JSON_END_TIME: at = json_read_time(at, end, &out->end_time); break;
        case JSON_TEXT: at = json_read_text(at, end, check, &out->text); break;
        case JSON_PUNCTUATION: at = json_read_text(at, end, check, &out->punctuation); break;
        case JSON_FIXED: at = json_read_boolean(at, end, &out->fixed); break;
        case JSON_SPEAKER_ID: at = json_read_speaker(at, end, check, &out->speaker); break;
        default: at = json_check_value(at, end, 0);
        }
    } while (at != NULL);
    return NULL;
}

/* -- sentences ------------------------------------------------------------------------------------------------------ */

enum { JSON_SAID_ID = JSON_OTHER + JSON_LEVELS, JSON_SAID_BEGIN, JSON_SAID_END, JSON_SAID_TEXT, JSON_SAID_LANGUAGE,
       JSON_SAID_EMOTION, JSON_SAID_SPEAKER, JSON_SAID_FINAL, JSON_SAID_CHANNEL, JSON_SAID_HEARTBEAT, JSON_SAID_OPEN,
       JSON_SAID_STASH, JSON_SAID_WORDS, JSON_SAID_NUMBERS };

#define JSON_SAID(level) \
    JSON_MEMBER(level, JSON_SAID_ID, "sentence_id"), JSON_MEMBER(level, JSON_SAID_BEGIN, "begin_time"), \
    JSON_MEMBER(level, JSON_SAID_END, "end_time"), JSON_MEMBER(level, JSON_SAID_TEXT, "text"), \
    JSON_MEMBER(level, JSON_SAID_WORDS, "words"), JSON_MEMBER(level, JSON_SAID_LANGUAGE, "language"), \
    JSON_MEMBER(level, JSON_SAID_EMOTION, "emotion"), JSON_MEMBER(level, JSON_SAID_SPEAKER, "speaker_id"), \
    JSON_MEMBER(level, JSON_SAID_FINAL, "sentence_end"), JSON_MEMBER(level, JSON_SAID_CHANNEL, "channel_id"), \
    JSON_MEMBER(level, JSON_SAID_HEARTBEAT, "heartbeat"), JSON_MEMBER(level, JSON_SAID_OPEN, "sentence_begin"), \
    JSON_MEMBER(level, JSON_SAID_STASH, "stash")

static const json_member json_sentence_members[] = {JSON_SAID(0)};

typedef struct {
    int32_t begin_time, end_time;
    int64_t sentence_id, channel_id;
    int identified;                             /* there is a sentence_id */
    json_string text, language, emotion;
    json_speaker speaker;
    int closed, heartbeat, opened;              /* sentence_end, sentence_begin; -1: null or absent */
} json_sentence;

static inline void json_clear_sentence(json_sentence *out) {
    out->begin_time = out->end_time = JSON_NO_TIME;
    out->channel_id = 0;
    out->text.size = out->language.size = out->emotion.size = -1;
    out->closed = out->heartbeat = out->opened = -1;
    out->identified = out->speaker.kind = 0;
}

/* Into an array or object: the first value or name (*more 1), or past it where it is empty (*more 0). */
static inline json_at json_open(json_at at, json_at end, unsigned char open, unsigned char close, int *more) {
    if (at >= end || *at != open)
        return NULL;
    at = json_space(at + 1, end);
    *more = at >= end || *at != close;
    return *more ? at : at + 1;
}

static inline int json_same_string(const json_string *one, const json_string *other) {
    return one->size == other->size && (one->size <= 0 || memcmp(one->data, other->data, (size_t)one->size) == 0);
}

static inline int json_same_speaker(const json_speaker *one, const json_speaker *other) {
    return one->kind == other->kind && (one->kind != 1 || one->number == other->number)
        && (one->kind != 2 || json_same_string(&one->text, &other->text));
}

/* null or an integer; what else it may be is left to orjson. */
static inline json_at json_read_id(json_at at, json_at end, int64_t *out, int *there) {
    *there = !json_is(at, end, "null");
    return *there ? json_read_integer(at, end, out) : at + 4;
}

/* The value of a member of a sentence but its words; one that is not known is checked. */
static inline json_at json_read_said(int number, json_at at, json_at end, int check, json_sentence *out) {
    int there;
    switch (number) {
    case JSON_SAID_ID: return json_read_id(at, end, &out->sentence_id, &out->identified);
    case JSON_SAID_BEGIN: return json_read_time(at, end, &out->begin_time);
    case JSON_SAID_END: return json_read_time(at, end, &out->end_time);
    case JSON_SAID_TEXT: return json_read_text(at, end, check, &out->text);
    case JSON_SAID_LANGUAGE: return json_read_text(at, end, check, &out->language);
    case JSON_SAID_EMOTION: return json_read_text(at, end, check, &out->emotion);
    case JSON_SAID_SPEAKER: return json_read_speaker(at, end, check, &out->speaker);
    case JSON_SAID_FINAL: return json_read_boolean(at, end, &out->closed);
    case JSON_SAID_CHANNEL: return json_read_id(at, end, &out->channel_id, &there);
    case JSON_SAID_HEARTBEAT: return json_read_boolean(at, end, &out->heartbeat);
    case JSON_SAID_OPEN: return json_read_boolean(at, end, &out->opened);
    case JSON_SAID_STASH: return json_is(at, end, "null") ? at + 4 : NULL;
    default: return json_check_value(at, end, 0);
    }
}

#endif
