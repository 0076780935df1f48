/* JSON text read in place: where strings and containers end, integers, and one word object.
 *
 * Knows: RFC 8259 and the members of a word and of a file's sentence. Must not know: Python, events, files.
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
    unsigned char order[6];             /* which member came at which place in the word before: a guess, any value does */
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
    int negative = at < end && *at == '-';
    json_at first = at += negative, stop = end - at > 19 ? at + 19 : end;
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

/* The members an object is known to have. Services print them in one order, so the one that came last at this place is
 * looked for first: one compare, instead of finding the name's end and then the name. */
typedef struct {
    ptrdiff_t size;             /* of the text: the name, its quotes and the colon */
    unsigned first;             /* one bit a byte, of the first 16 */
    const char text[24];
} json_member;

#define JSON_MEMBER(name) \
    {sizeof("\"" name "\":") - 1, sizeof(name) + 2 < 16 ? (1u << (sizeof(name) + 2)) - 1 : 0xffff, "\"" name "\":"}

static inline int json_expect(json_at at, json_at end, const json_member *member) {
    ptrdiff_t size = member->size;
#if JSON_SIMD
    if (end - at >= 16) {
        unsigned alike = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(
            _mm_loadu_si128((const __m128i *)at), _mm_loadu_si128((const __m128i *)member->text)));
        if (~alike & member->first)
            return 0;
        return size <= 16 || (end - at >= size && memcmp(at + 16, member->text + 16, (size_t)(size - 16)) == 0);
    }
#endif
    return end - at >= size && memcmp(at, member->text, (size_t)size) == 0;
}

/* The next member, at its quote: returns its value, and its number, or `count` and its name for one that is not known.
 * `*guess` is the number to try first, whatever it is, and becomes the one found. */
static inline json_at json_read_member(json_at at, json_at end, const json_member *known, int count,
                                       unsigned char *guess, int *number, json_string *name) {
    int i = *guess;
    if (i < count && json_expect(at, end, &known[i])) {
        *number = i;
        return json_space(at + known[i].size, end);
    }
    at = json_read_name(at, end, name);
    if (at == NULL)
        return NULL;
    for (i = 0; i < count; i++)
        if (name->size == known[i].size - 3 && memcmp(name->data, known[i].text + 1, (size_t)name->size) == 0) {
            *guess = (unsigned char)i;
            break;
        }
    *number = i;
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

#define JSON_SKIP(BLOCK) \
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
        strings ^= strings << 1;            /* each bit now: how many quotes up to here, odd or even */ \
        strings ^= strings << 2; \
        strings ^= strings << 4; \
        strings ^= strings << 8; \
        strings ^= strings << 16; \
        strings ^= strings << 32; \
        strings ^= in_string; \
        in_string = 0 - (strings >> 63); \
        if (bits.escapes & ~strings) \
            return NULL;                    /* a backslash outside a string */ \
        brackets = (bits.opens | bits.closes) & ~strings; \
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
    JSON_SKIP(json_block);
}

static __attribute__((target("avx2,bmi"), unused)) json_at json_skip_avx2(json_at at, json_at end) {
    JSON_SKIP(json_block_avx2);
}

static inline int json_has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
}

static inline const char *json_simd(void) {
    return json_has_avx2() ? "AVX2" : "SSE2";
}

/* Past the container that opens at `at`. What is in it is not checked. */
static inline json_at json_skip_container(json_at at, json_at end) {
    return json_has_avx2() ? json_skip_avx2(at, end) : json_skip_sse2(at, end);
}
#else
static inline const char *json_simd(void) {
    return "none";
}

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

enum { JSON_BEGIN_TIME, JSON_END_TIME, JSON_TEXT, JSON_PUNCTUATION, JSON_FIXED, JSON_SPEAKER_ID, JSON_WORD_MEMBERS };

static const json_member json_word_members[] = {
    JSON_MEMBER("begin_time"), JSON_MEMBER("end_time"), JSON_MEMBER("text"), JSON_MEMBER("punctuation"),
    JSON_MEMBER("fixed"), JSON_MEMBER("speaker_id"),
};

/* One item of `words`; `at` is the brace. Unknown members are checked and passed over, a repeated one is refused. With
 * `check`, UTF-8 and escapes are checked too; else whoever makes a str of them finds out. `out->order` is kept from
 * word to word. */
static inline json_at json_read_word(json_at at, json_at end, int check, json_word *out) {
    unsigned seen = 0;
    int more = 1, place = 0;
    out->begin_time = out->end_time = JSON_NO_TIME;
    out->text.size = out->punctuation.size = -1;
    out->fixed = -1;
    out->speaker.kind = 0;
    if (at >= end || *at != '{')
        return NULL;
    at = json_space(at + 1, end);
    if (at < end && *at == '}')
        return at + 1;
    while (more) {
        json_string name;
        int member;
        at = json_read_member(at, end, json_word_members, JSON_WORD_MEMBERS, &out->order[place], &member, &name);
        if (at == NULL || (seen & 1u << member))
            return NULL;
        if (member < JSON_WORD_MEMBERS)
            seen |= 1u << member;
        switch (member) {
        case JSON_BEGIN_TIME: at = json_read_time(at, end, &out->begin_time); break;
        case JSON_END_TIME: at = json_read_time(at, end, &out->end_time); break;
        case JSON_TEXT: at = json_read_text(at, end, check, &out->text); break;
        case JSON_PUNCTUATION: at = json_read_text(at, end, check, &out->punctuation); break;
        case JSON_FIXED: at = json_read_boolean(at, end, &out->fixed); break;
        case JSON_SPEAKER_ID: at = json_read_speaker(at, end, check, &out->speaker); break;
        default:
            if ((name.flags & JSON_NON_ASCII) && !json_utf8_valid(name.data, name.size))
                return NULL;
            at = json_check_value(at, end, 0);
        }
        if (at == NULL || (at = json_next(at, end, '}', &more)) == NULL)
            return NULL;
        if (place < JSON_WORD_MEMBERS - 1)
            place++;
    }
    return at;
}

/* -- sentences of result files -------------------------------------------------------------------------------------- */

enum { JSON_SAID_ID, JSON_SAID_BEGIN, JSON_SAID_END, JSON_SAID_TEXT, JSON_SAID_WORDS, JSON_SAID_LANGUAGE,
       JSON_SAID_EMOTION, JSON_SAID_SPEAKER, JSON_SAID_FINAL, JSON_SAID_CHANNEL, JSON_SAID_HEARTBEAT, JSON_SAID_OPEN,
       JSON_SAID_STASH, JSON_SENTENCE_MEMBERS };

static const json_member json_sentence_members[] = {
    JSON_MEMBER("sentence_id"), JSON_MEMBER("begin_time"), JSON_MEMBER("end_time"), JSON_MEMBER("text"),
    JSON_MEMBER("words"), JSON_MEMBER("language"), JSON_MEMBER("emotion"), JSON_MEMBER("speaker_id"),
    JSON_MEMBER("sentence_end"), JSON_MEMBER("channel_id"), JSON_MEMBER("heartbeat"), JSON_MEMBER("sentence_begin"),
    JSON_MEMBER("stash"),
};

typedef struct {
    int32_t begin_time, end_time;
    int64_t sentence_id;
    int identified;                     /* there is a sentence_id */
    json_string text, language, emotion;
    json_speaker speaker;
    int closed;                         /* sentence_end; -1: null or absent */
    json_at words, words_end;           /* the array, where it came before the text */
    unsigned seen;
    int state;                          /* JSON_DONE, also before the first, or JSON_AT_WORDS */
    int place;
    unsigned char order[JSON_SENTENCE_MEMBERS];     /* as in json_word */
} json_sentence;

enum { JSON_DONE, JSON_AT_WORDS };

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

/* One item of `sentences`, checked. `at` is the brace; where the words come after the text it stops at their bracket,
 * JSON_AT_WORDS, and is to be called again with what comes after them. At the end, JSON_DONE. `order` is kept from
 * sentence to sentence. */
static inline json_at json_read_sentence(json_at at, json_at end, json_sentence *out) {
    int more, unused;
    int64_t channel_id;
    if (out->state == JSON_AT_WORDS) {
        at = json_next(at, end, '}', &more);
    } else {
        out->begin_time = out->end_time = JSON_NO_TIME;
        out->text.size = out->language.size = out->emotion.size = out->closed = -1;
        out->identified = out->speaker.kind = out->place = 0;
        out->words = NULL;
        out->seen = 0;
        at = json_open(at, end, '{', '}', &more);
    }
    out->state = JSON_DONE;
    while (at != NULL && more) {
        json_string name = {NULL, 0, 0};
        int member;
        at = json_read_member(at, end, json_sentence_members, JSON_SENTENCE_MEMBERS, &out->order[out->place], &member,
                              &name);
        if (at == NULL || (out->seen & 1u << member))
            return NULL;
        if (out->place < JSON_SENTENCE_MEMBERS - 1)
            out->place++;
        if (member < JSON_SENTENCE_MEMBERS)
            out->seen |= 1u << member;
        switch (member) {
        case JSON_SAID_ID: at = json_read_id(at, end, &out->sentence_id, &out->identified); break;
        case JSON_SAID_BEGIN: at = json_read_time(at, end, &out->begin_time); break;
        case JSON_SAID_END: at = json_read_time(at, end, &out->end_time); break;
        case JSON_SAID_TEXT: at = json_read_text(at, end, 1, &out->text); break;
        case JSON_SAID_WORDS:
            if (json_is(at, end, "null")) {
                at += 4;
            } else if (at >= end || *at != '[') {
                return NULL;
            } else if (out->seen & 1u << JSON_SAID_TEXT) {
                out->state = JSON_AT_WORDS;
                return at;
            } else {
                out->words = at;
                at = out->words_end = json_skip_container(at, end);
            }
            break;
        case JSON_SAID_LANGUAGE: at = json_read_text(at, end, 1, &out->language); break;
        case JSON_SAID_EMOTION: at = json_read_text(at, end, 1, &out->emotion); break;
        case JSON_SAID_SPEAKER: at = json_read_speaker(at, end, 1, &out->speaker); break;
        case JSON_SAID_FINAL: at = json_read_boolean(at, end, &out->closed); break;
        case JSON_SAID_CHANNEL: at = json_read_id(at, end, &channel_id, &unused); break;
        case JSON_SAID_HEARTBEAT: case JSON_SAID_OPEN: at = json_read_boolean(at, end, &unused); break;
        case JSON_SAID_STASH: at = json_is(at, end, "null") ? at + 4 : NULL; break;
        default:
            if ((name.flags & JSON_NON_ASCII) && !json_utf8_valid(name.data, name.size))
                return NULL;
            at = json_check_value(at, end, 0);
        }
        if (at != NULL)
            at = json_next(at, end, '}', &more);
    }
    return at;
}

#endif
