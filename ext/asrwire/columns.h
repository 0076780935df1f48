/* Columns of numbers: as wide as their largest, searched, put in order.
 *
 * Knows: numbers, and the characters between which no space goes. Must not know: Python, words, JSON.
 */
#ifndef ASRWIRE_COLUMNS_H
#define ASRWIRE_COLUMNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* -- unsigned numbers of 1, 2 or 4 bytes; a column of width 0 is all zeros ------------------------------------------ */

static inline int column_width(uint32_t largest) {
    return largest > 0xffff ? 4 : largest > 0xff ? 2 : largest > 0 ? 1 : 0;
}

static inline uint32_t column_get(const void *column, int width, ptrdiff_t i) {
    switch (width) {
    case 1: return ((const uint8_t *)column)[i];
    case 2: return ((const uint16_t *)column)[i];
    case 4: return ((const uint32_t *)column)[i];
    default: return 0;
    }
}

static inline void column_put(void *column, int width, ptrdiff_t i, uint32_t value) {
    switch (width) {
    case 1: ((uint8_t *)column)[i] = (uint8_t)value; break;
    case 2: ((uint16_t *)column)[i] = (uint16_t)value; break;
    case 4: ((uint32_t *)column)[i] = value; break;
    default: break;
    }
}

/* In place, from the last to the first. */
static inline void column_widen(void *column, ptrdiff_t count, int from, int to) {
    while (count-- > 0)
        column_put(column, to, count, column_get(column, from, count));
}

/* How many of the ascending numbers are not above the value. */
static inline ptrdiff_t column_bisect(const uint32_t *column, ptrdiff_t count, uint32_t value) {
    ptrdiff_t low = 0;
    while (low < count) {
        ptrdiff_t middle = low + (count - low) / 2;
        if (column[middle] <= value)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static inline ptrdiff_t times_bisect(const int32_t *column, ptrdiff_t count, int32_t value) {
    ptrdiff_t low = 0;
    while (low < count) {
        ptrdiff_t middle = low + (count - low) / 2;
        if (column[middle] <= value)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* -- order ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t channel;
    int32_t key;
    uint32_t number;
} column_entry;

static inline int column_after(const column_entry *one, const column_entry *other) {
    return one->key > other->key || (one->key == other->key && one->channel > other->channel);
}

/* Stable; `spare` has as many entries. Returns whichever of the two has the result. */
static inline column_entry *column_sort(column_entry *entries, column_entry *spare, ptrdiff_t count) {
    for (ptrdiff_t run = 1; run < count; run *= 2) {
        column_entry *swap = spare;
        for (ptrdiff_t start = 0; start < count; start += 2 * run) {
            ptrdiff_t middle = start + run < count ? start + run : count;
            ptrdiff_t stop = middle + run < count ? middle + run : count, left = start, right = middle, at = start;
            while (at < stop) {
                if (left < middle && (right >= stop || !column_after(&entries[left], &entries[right])))
                    spare[at++] = entries[left++];
                else
                    spare[at++] = entries[right++];
            }
        }
        spare = entries;
        entries = swap;
    }
    return entries;
}

/* -- what holds a moment -------------------------------------------------------------------------------------------- */

enum { SPAN_BLOCK = 5, SPAN_LEVELS = 8 };       /* 2**5 entries under one entry of the next level; 32**7 > 2**32 */

typedef struct {
    const int32_t *begin, *end, *key;           /* key: ascending */
    ptrdiff_t count;
    int32_t *latest;                            /* the last ms held by every 32 spans, by every 32 of those, ... */
    ptrdiff_t level[SPAN_LEVELS];               /* where each level begins in it, from 1 on */
    ptrdiff_t looked;                           /* at so many entries, so far */
} span_tree;

/* The last ms held by entry i of a level: of a span on level 0. One without an end, or that ends before it begins, holds
 * its begin; one without a begin nothing. */
static inline int32_t span_last(const span_tree *tree, int level, ptrdiff_t i) {
    if (level)
        return tree->latest[tree->level[level] + i];
    return tree->begin[i] == INT32_MIN || tree->end[i] <= tree->begin[i] ? tree->begin[i] : tree->end[i] - 1;
}

/* Lays out the levels; returns how many entries `latest` is to have. */
static inline ptrdiff_t span_layout(span_tree *tree) {
    ptrdiff_t total = 0, size = tree->count;
    for (int level = 1; level < SPAN_LEVELS && size > 1 << SPAN_BLOCK; level++) {
        size = (size + (1 << SPAN_BLOCK) - 1) >> SPAN_BLOCK;
        tree->level[level] = total;
        total += size;
    }
    return total;
}

static inline void span_grow(span_tree *tree) {
    ptrdiff_t size = tree->count;
    for (int level = 0; size > 1 << SPAN_BLOCK; level++) {
        int32_t *above = tree->latest + tree->level[level + 1];
        for (ptrdiff_t i = 0; i < size; i++) {
            int32_t last = span_last(tree, level, i);
            if ((i & ((1 << SPAN_BLOCK) - 1)) == 0 || last > above[i >> SPAN_BLOCK])
                above[i >> SPAN_BLOCK] = last;
        }
        size = (size + (1 << SPAN_BLOCK) - 1) >> SPAN_BLOCK;
    }
}

/* The last of the spans that begin by `ms` which holds it, or -1. `ms` is above INT32_MIN. */
static inline ptrdiff_t span_find(span_tree *tree, int32_t ms) {
    int level = 0;
    ptrdiff_t i = times_bisect(tree->key, tree->count, ms) - 1;
    for (;; level++) {          /* to the left and up: the newest block that has a span reaching to ms */
        ptrdiff_t start = i >> SPAN_BLOCK << SPAN_BLOCK;
        if (i < 0)
            return -1;
        while (i >= start && (tree->looked++, span_last(tree, level, i) < ms))
            i--;
        if (i >= start)
            break;
        i = (start >> SPAN_BLOCK) - 1;
    }
    while (level--) {           /* down again: the last entry of the block that does (blocks to the left are full) */
        i = ((i + 1) << SPAN_BLOCK) - 1;
        while (tree->looked++, span_last(tree, level, i) < ms)
            i--;
    }
    return i;
}

/* -- characters ----------------------------------------------------------------------------------------------------- */

/* Han, kana and full-width punctuation; full-width letters and digits, Hangul and half-width quotation marks are not. */
static inline int char_unspaced(uint32_t c) {
    static const uint32_t ranges[][2] = {
        {0x2e80, 0x2fdf}, {0x3000, 0x30ff}, {0x31f0, 0x31ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff},
        {0xfe10, 0xfe1f}, {0xfe30, 0xfe4f}, {0xff01, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff9f},
        {0x1aff0, 0x1b16f}, {0x20000, 0x3ffff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i][0]; i++)
        if (c <= ranges[i][1])
            return 1;
    return 0;
}

/* The character that begins here, in UTF-8 known to be good. */
static inline uint32_t char_at(const unsigned char *at) {
    if (*at < 0x80)
        return *at;
    if (*at < 0xe0)
        return (uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f);
    if (*at < 0xf0)
        return (uint32_t)(at[0] & 0x0f) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
    return (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3f) << 12 | (uint32_t)(at[2] & 0x3f) << 6
        | (at[3] & 0x3f);
}

/* The one before `at`. */
static inline uint32_t char_before(const unsigned char *at) {
    do
        at--;
    while ((*at & 0xc0) == 0x80);
    return char_at(at);
}

#endif
