// Tiles of 64 numbers a row in shared memory, and what warps multiply with them.
//
// On Hopper (attention_hopper.cu) four warps multiply together, straight from tiles; elsewhere each warp does for itself.
#pragma once
#include "lanes.cuh"

#define SIZE 64
// Rows of a tile that goes by, and of the tile that a block owns, forward and backward.
#define PASSING 64
#define OWN 128
#define OWN_BACK 64
// Scores of a passing tile that the backward pass has in registers at once.
#ifdef HOPPER
#define COLUMNS 64
#else
#define COLUMNS 32
#endif
#define NONE (-1e30f)

// A row's eight groups of 16 bytes are shuffled so that eight rows at one place are in different banks.
__device__ __forceinline__ int place(int row, int group) { return row * SIZE + ((group ^ (row & 7)) << 3); }

// Begins to copy rows of 64 numbers into a tile; beyond `there` they are zeros.
__device__ __forceinline__ void fetch(bf16 *tile, const bf16 *from, size_t stride, int rows, int there) {
    for (int i = threadIdx.x; i < rows * 8; i += blockDim.x) {
        int row = i >> 3, group = i & 7;
        bool is = row < there;
        copy16(tile + place(row, group), from + (is ? row : 0) * stride + group * 8, is);
    }
}

// Rows `row` to `row` + 15 as the left operand; `step` counts sixteens along the row.
__device__ __forceinline__ void left(u32 (&a)[4], const bf16 *tile, int row, int step, int lane) {
    rows4(a, tile + place(row + (lane & 15), step * 2 + (lane >> 4)));
}
// Two right operands whose columns are rows of the tile: rows `row` to `row` + 15, sixteen numbers of each.
__device__ __forceinline__ void right_rows(u32 (&b)[4], const bf16 *tile, int row, int step, int lane) {
    rows4(b, tile + place(row + (lane & 7) + ((lane >> 4) << 3), step * 2 + ((lane >> 3) & 1)));
}
// Two right operands whose rows are rows of the tile: sixteen of them from `row` on, columns 16 `pair` to 16 `pair` + 15.
__device__ __forceinline__ void right_columns(u32 (&b)[4], const bf16 *tile, int row, int pair, int lane) {
    columns4(b, tile + place(row + (lane & 15), pair * 2 + (lane >> 4)));
}

#ifndef HOPPER
// Scores (16, 8 N) of own rows and so many of a passing tile's.
template <int N>
__device__ __forceinline__ void products(float (&s)[N][4], const u32 (&own)[4][4], const bf16 *tile, int from,
                                         int lane) {
    for (int n = 0; n < N; n++)
        for (int e = 0; e < 4; e++) s[n][e] = 0;
#pragma unroll
    for (int step = 0; step < 4; step++)
#pragma unroll
        for (int pair = 0; pair < N / 2; pair++) {
            u32 b[4];
            right_rows(b, tile, from + pair * 16, step, lane);
            mma(s[2 * pair], own[step], b[0], b[1]);
            mma(s[2 * pair + 1], own[step], b[2], b[3]);
        }
}

#endif

// A step's sixteen columns of scores as the left operand of the next product.
template <int N> __device__ __forceinline__ void as_left(u32 (&a)[4], const float (&s)[N][4], int step) {
    a[0] = pack(s[2 * step][0], s[2 * step][1]);
    a[1] = pack(s[2 * step][2], s[2 * step][3]);
    a[2] = pack(s[2 * step + 1][0], s[2 * step + 1][1]);
    a[3] = pack(s[2 * step + 1][2], s[2 * step + 1][3]);
}

#ifdef HOPPER
// A tile as the right operand of the warps' common product: its rows' groups of 16 bytes are shuffled as `place` does,
// eight rows are 1024 bytes.
__device__ __forceinline__ u64 operand(const bf16 *tile) {
    return ((u64)__cvta_generic_to_shared(tile) & 0x3ffff) >> 4 | (u64)1 << 16 | (u64)64 << 32 | (u64)1 << 62;
}

// Scores (64, 64) of four warps' own rows and a passing tile's, begun.
__device__ __forceinline__ void products(float (&s)[8][4], const u32 (&own)[4][4], const bf16 *tile, int, int) {
    u64 b = operand(tile);
    group_begins();
#pragma unroll
    for (int step = 0; step < 4; step++) group_mma<0>(s, own[step], b + step * 2, step > 0);
    group_begun();
}

// The same of rows in a tile of their own. The forward pass keeps its queries there: in registers, ptxas 13.0 gives them
// to the shares of a tile's rows, though the next tile still asks for them.
__device__ __forceinline__ void products(float (&s)[8][4], const bf16 *own, const bf16 *tile) {
    u64 a = operand(own), b = operand(tile);
    group_begins();
#pragma unroll
    for (int step = 0; step < 4; step++) group_mma<0>(s, a + step * 2, b + step * 2, step > 0);
    group_begun();
}

// sum (64, 64) += shares (64, 64) of a passing tile's rows, begun.
__device__ __forceinline__ void gather(float (&sum)[8][4], const float (&shares)[8][4], const bf16 *tile, int, int) {
    u64 b = operand(tile);
    u32 a[4][4];
#pragma unroll
    for (int step = 0; step < 4; step++) as_left(a[step], shares, step);
    pin(a);
    group_begins();
#pragma unroll
    for (int step = 0; step < 4; step++) group_mma<1>(sum, a[step], b + step * 128, 1);
    group_begun();
}
#else
// Each warp's own products are done when they are asked for.
template <int N> __device__ __forceinline__ void group_waits(float (&)[N][4]) {}

// sum (16, 64) += shares (16, 8 N) of so many of a passing tile's rows.
template <int N>
__device__ __forceinline__ void gather(float (&sum)[8][4], const float (&shares)[N][4], const bf16 *tile, int from,
                                       int lane) {
#pragma unroll
    for (int step = 0; step < N / 2; step++) {
        u32 a[4];
        as_left(a, shares, step);
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            u32 b[4];
            right_columns(b, tile, from + step * 16, pair, lane);
            mma(sum[2 * pair], a, b[0], b[1]);
            mma(sum[2 * pair + 1], a, b[2], b[3]);
        }
    }
}

#endif

// Of own rows of keys and values, and of the queries and their gradients of a passing tile from `from` on: `shares` of the
// softmax, and `towards`, the gradients of scores before they are scaled. A query has its log-sum-exp and what delta takes off.
template <int N>
__device__ __forceinline__ void scores_back(float (&shares)[N][4], float (&towards)[N][4], const u32 (&keys)[4][4],
                                            const u32 (&values)[4][4], const bf16 *asks, const bf16 *grads,
                                            const float *sums, const float *alongs, float scale2, int from, int lane) {
    products(shares, keys, asks, from, lane);
    products(towards, values, grads, from, lane);
    group_waits(shares);
    group_waits(towards);
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int query = from + n * 8 + 2 * (lane & 3) + (e & 1);
            shares[n][e] = exp2_(shares[n][e] * scale2 - sums[query]);
            towards[n][e] = shares[n][e] * (towards[n][e] - alongs[query]);
        }
}

// Bytes of shared memory that attention_back_once takes: six tiles, and two numbers of each of two tiles' queries.
#define ONCE_SHARED (6 * PASSING * SIZE * 2 + 4 * PASSING * 4)

// Scores' numbers (16, 8 N) of own rows into columns `from` on of a tile.
template <int N>
__device__ __forceinline__ void keep(bf16 *tile, const float (&s)[N][4], int row, int from, int lane) {
#pragma unroll
    for (int n = 0; n < N; n++) {
        bf16 *upper = tile + place(row + (lane >> 2), from / 8 + n) + 2 * (lane & 3);
        bf16 *lower = tile + place(row + (lane >> 2) + 8, from / 8 + n) + 2 * (lane & 3);
        *(u32 *)upper = pack(s[n][0], s[n][1]);
        *(u32 *)lower = pack(s[n][2], s[n][3]);
    }
}

// Of two tiles of 64 rows the product of the first, transposed, and the second: each warp sixteen rows of it.
#ifdef HOPPER
__device__ __forceinline__ void across(float (&sum)[8][4], const bf16 *first, const bf16 *second, int, int) {
    u64 a = operand(first), b = operand(second);
    group_begins();
#pragma unroll
    for (int step = 0; step < 4; step++) group_mma<1>(sum, a + step * 128, b + step * 128, step > 0);
    group_begun();
}
#else
__device__ __forceinline__ void across(float (&sum)[8][4], const bf16 *first, const bf16 *second, int warp, int lane) {
    for (int n = 0; n < 8; n++)
        for (int e = 0; e < 4; e++) sum[n][e] = 0;
#pragma unroll
    for (int step = 0; step < 4; step++) {
        u32 a[4];
        columns4(a, first + place(step * 16 + (lane & 7) + ((lane >> 4) << 3), warp * 2 + ((lane >> 3) & 1)));
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            u32 b[4];
            right_columns(b, second, step * 16, pair, lane);
            mma(sum[2 * pair], a, b[0], b[1]);
            mma(sum[2 * pair + 1], a, b[2], b[3]);
        }
    }
}
#endif

// What was fetched is there, for all threads.
__device__ __forceinline__ void arrived() {
    copies_done();
#ifdef HOPPER
    shown_to_group();
#endif
    __syncthreads();
}

// Own sums to rows of 64 numbers, the first of which is `row` of `rows`.
__device__ __forceinline__ void put(bf16 *to, size_t stride, int row, int rows, const float (&sum)[8][4], float2 scale,
                                    int lane) {
    int upper = row + (lane >> 2), column = 2 * (lane & 3);
#pragma unroll
    for (int n = 0; n < 8; n++) {
        if (upper < rows) *(u32 *)(to + upper * stride + n * 8 + column) = pack(sum[n][0] * scale.x, sum[n][1] * scale.x);
        if (upper + 8 < rows)
            *(u32 *)(to + (upper + 8) * stride + n * 8 + column) = pack(sum[n][2] * scale.y, sum[n][3] * scale.y);
    }
}
