/* Histogram: latencies in nanoseconds, counted in buckets, so that a run of any length needs the same few kilobytes.
 *
 * Rule owned here: a bucket is at most 1/128 as wide as the values in it are great (the layout of HdrHistogram): what
 * is read from it is off by less than 0.4 %. The greatest value is kept as it is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EXACT_BITS 7
#define EXACT (1u << EXACT_BITS) /* Below this, and again in each power of two above, so many buckets. */

struct histogram {
    uint64_t counts[(64 - EXACT_BITS + 1) * EXACT];
    uint64_t total, greatest;
};

static inline void histogram_add(struct histogram *h, uint64_t value) {
    size_t bucket = value;
    if (value >= EXACT) {
        unsigned shift = 63 - (unsigned)__builtin_clzll(value) - EXACT_BITS;
        bucket = shift * EXACT + (size_t)(value >> shift);
    }
    h->counts[bucket]++;
    h->total++;
    if (value > h->greatest) h->greatest = value;
}

/* The value below which a share of all is: the middle of its bucket. */
static inline double histogram_at(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
    for (size_t bucket = 0; bucket < sizeof h->counts / sizeof h->counts[0]; bucket++) {
        seen += h->counts[bucket];
        if (seen <= wanted) continue;
        unsigned shift = bucket < 2 * EXACT ? 0 : (unsigned)(bucket / EXACT) - 1;
        uint64_t lowest = (uint64_t)(bucket - shift * EXACT) << shift;
        double middle = (double)lowest + (double)((1ull << shift) - 1) / 2;
        return middle < (double)h->greatest ? middle : (double)h->greatest;
    }
    return (double)h->greatest;
}
