/* Where a line ends: at CR or LF, WHATWG HTML 9.2.5.
 *
 * Knows: those two bytes. Must not know: what lines mean, Python.
 */
#ifndef ASRWIRE_LINES_H
#define ASRWIRE_LINES_H

#include <stddef.h>
#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(ASRWIRE_PORTABLE)
#include <immintrin.h>

/* Both at once, and without a call where a line is short. Two searches by memchr, each as fast, took 0.1 us of the
 * 0.7 us that a partial of 1.8 kB costs where only finals are wanted; this takes 0.04. */
static __attribute__((noinline, target("avx2"))) const char *line_end_avx2(const char *at, const char *end) {
    __m256i lf = _mm256_set1_epi8('\n'), cr = _mm256_set1_epi8('\r');
#define LINE_ENDS(i) _mm256_or_si256(_mm256_cmpeq_epi8(block[i], lf), _mm256_cmpeq_epi8(block[i], cr))
    for (; end - at >= 64; at += 64) {
        __m256i block[2] = {_mm256_loadu_si256((const __m256i *)at), _mm256_loadu_si256((const __m256i *)(at + 32))};
        __builtin_prefetch(at + 1024);       /* while this event is read, the next one comes nearer: 3 % */
        __m256i first = LINE_ENDS(0), second = LINE_ENDS(1);
        if (_mm256_movemask_epi8(_mm256_or_si256(first, second)))
            return at + __builtin_ctzll((unsigned long long)(unsigned)_mm256_movemask_epi8(second) << 32
                                        | (unsigned)_mm256_movemask_epi8(first));
    }
#undef LINE_ENDS
    return at;
}

static inline const char *line_end(const char *at, const char *end, const char **lf) {
    __m128i ends[2] = {_mm_set1_epi8('\n'), _mm_set1_epi8('\r')};
    (void)lf;
    for (int round = 0; end - at >= 16; round++) {
        __m128i block = _mm_loadu_si128((const __m128i *)at);
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, ends[0]), _mm_cmpeq_epi8(block, ends[1])));
        if (found)
            return at + __builtin_ctz((unsigned)found);
        at += 16;
        if (round == 1 && __builtin_cpu_supports("avx2"))
            at = line_end_avx2(at, end);
    }
    while (at < end && *at != '\n' && *at != '\r')
        at++;
    return at;
}
#else
/* `lf`: where the last search found one, and before the first one what is before `at`. */
static inline const char *line_end(const char *at, const char *end, const char **lf) {
    const char *cr;
    if (*lf < at && (*lf = (const char *)memchr(at, '\n', (size_t)(end - at))) == NULL)
        *lf = end;
    cr = (const char *)memchr(at, '\r', (size_t)(*lf - at));
    return cr == NULL ? *lf : cr;
}
#endif

#endif
