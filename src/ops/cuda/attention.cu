// Attention that keeps no scores (Dao, arXiv 2307.08691), for heads of 64 numbers in bf16, sums in single precision.
//
// qkv is (batch, tokens, 3, heads, 64); out is (batch, queries, heads, 64): the first `queries` tokens of each clip ask,
// all of them answer. lse is (batch, heads, queries), the logarithm to base 2 of a query's sum of raised scores.
// The backward pass is two kernels, of which each adds up its own tile in registers: no atomics, the same to the bit.
//
// On Hopper (attention_hopper.cu) four warps multiply together, straight from tiles; elsewhere each warp does for itself.
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
    for (int step = 0; step < 4; step++) group_mma(s, a + step * 2, b + step * 2, step > 0);
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

#ifdef HOPPER
// Grid (queries / 128, heads, batch), 256 threads: eight warps of 16 queries each. `scale` includes log2(e).
extern "C" __global__ void __launch_bounds__(256, 2)
    attention_forward(const bf16 *qkv, bf16 *out, float *lse, int tokens, int queries, int heads, float scale) {
    __shared__ __align__(1024) bf16 asking[OWN * SIZE];
    __shared__ __align__(1024) bf16 tiles[2][2][PASSING * SIZE];
    int first = blockIdx.x * OWN, head = blockIdx.y, lane = threadIdx.x & 31, row = (threadIdx.x >> 5) * 16;
    size_t stride = 3 * (size_t)heads * SIZE, clip = blockIdx.z;
    const bf16 *q = qkv + clip * tokens * stride + head * SIZE, *k = q + heads * SIZE, *v = k + heads * SIZE;
    const bf16 *asks = asking + (threadIdx.x >> 7) * 64 * SIZE;

    fetch(asking, q + first * stride, stride, OWN, queries - first);
    fetch(tiles[0][0], k, stride, PASSING, tokens);
    fetch(tiles[0][1], v, stride, PASSING, tokens);
    copies_begun();
    arrived();

    float sums[8][4] = {}, most[2] = {NONE, NONE}, total[2] = {};
    for (int at = 0, turn = 0; at < tokens; at += PASSING, turn ^= 1) {
        if (at + PASSING < tokens) {
            int next = at + PASSING;
            fetch(tiles[turn ^ 1][0], k + next * stride, stride, PASSING, tokens - next);
            fetch(tiles[turn ^ 1][1], v + next * stride, stride, PASSING, tokens - next);
            copies_begun();
        }
        float s[8][4];
        products(s, asks, tiles[turn][0]);
        group_waits(s);
        if (at + PASSING > tokens)
            for (int n = 0; n < 8; n++)
                for (int e = 0; e < 4; e++)
                    if (at + n * 8 + 2 * (lane & 3) + (e & 1) >= tokens) s[n][e] = NONE;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float now = most[half];
            for (int n = 0; n < 8; n++) now = fmaxf(now, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
            now = fmaxf(now, other(now, 1));
            now = fmaxf(now, other(now, 2));
            float shrink = exp2_((most[half] - now) * scale), shift = now * scale, part = 0;
            most[half] = now;
            for (int n = 0; n < 8; n++)
                for (int e = 2 * half; e < 2 * half + 2; e++) {
                    s[n][e] = exp2_(s[n][e] * scale - shift);
                    part += s[n][e];
                    sums[n][e] *= shrink;
                }
            total[half] = total[half] * shrink + part;
        }
        gather(sums, s, tiles[turn][1], 0, lane);
        group_waits(sums);
        arrived();
    }
    for (int half = 0; half < 2; half++) {
        total[half] += other(total[half], 1);
        total[half] += other(total[half], 2);
        int query = first + row + (lane >> 2) + 8 * half;
        if ((lane & 3) == 0 && query < queries)
            lse[(clip * heads + head) * queries + query] = most[half] * scale + log2f(total[half]);
    }
    put(out + (clip * queries * heads + head) * SIZE, (size_t)heads * SIZE, first + row, queries, sums,
        make_float2(1 / total[0], 1 / total[1]), lane);
}
#else
// Grid (queries / 128, heads, batch), 128 threads: four warps of 32 queries each. `scale` includes log2(e).
extern "C" __global__ void __launch_bounds__(128)
    attention_forward(const bf16 *qkv, bf16 *out, float *lse, int tokens, int queries, int heads, float scale) {
    __shared__ __align__(1024) bf16 own[OWN * SIZE];
    __shared__ __align__(1024) bf16 keys[2][PASSING * SIZE];
    __shared__ __align__(1024) bf16 values[2][PASSING * SIZE];
    int first = blockIdx.x * OWN, head = blockIdx.y, lane = threadIdx.x & 31, row = (threadIdx.x >> 5) * 32;
    size_t stride = 3 * (size_t)heads * SIZE, clip = blockIdx.z;
    const bf16 *q = qkv + clip * tokens * stride + head * SIZE, *k = q + heads * SIZE, *v = k + heads * SIZE;

    fetch(own, q + first * stride, stride, OWN, queries - first);
    fetch(keys[0], k, stride, PASSING, tokens);
    fetch(values[0], v, stride, PASSING, tokens);
    copies_begun();
    arrived();
    u32 asks[2][4][4];
    for (int m = 0; m < 2; m++)
        for (int step = 0; step < 4; step++) left(asks[m][step], own, row + m * 16, step, lane);

    float sums[2][8][4] = {}, most[2][2], total[2][2] = {};
    for (int m = 0; m < 2; m++) most[m][0] = most[m][1] = NONE;
    for (int at = 0, turn = 0; at < tokens; at += PASSING, turn ^= 1) {
        if (at + PASSING < tokens) {
            int next = at + PASSING;
            fetch(keys[turn ^ 1], k + next * stride, stride, PASSING, tokens - next);
            fetch(values[turn ^ 1], v + next * stride, stride, PASSING, tokens - next);
            copies_begun();
        }
        float s[2][8][4] = {};
#pragma unroll
        for (int step = 0; step < 4; step++)
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                u32 b[4];
                right_rows(b, keys[turn], pair * 16, step, lane);
                for (int m = 0; m < 2; m++) {
                    mma(s[m][2 * pair], asks[m][step], b[0], b[1]);
                    mma(s[m][2 * pair + 1], asks[m][step], b[2], b[3]);
                }
            }
        if (at + PASSING > tokens)
            for (int m = 0; m < 2; m++)
                for (int n = 0; n < 8; n++)
                    for (int e = 0; e < 4; e++)
                        if (at + n * 8 + 2 * (lane & 3) + (e & 1) >= tokens) s[m][n][e] = NONE;
#pragma unroll
        for (int m = 0; m < 2; m++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float now = most[m][half];
                for (int n = 0; n < 8; n++) now = fmaxf(now, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
                now = fmaxf(now, other(now, 1));
                now = fmaxf(now, other(now, 2));
                float shrink = exp2_((most[m][half] - now) * scale), shift = now * scale, part = 0;
                most[m][half] = now;
                for (int n = 0; n < 8; n++)
                    for (int e = 2 * half; e < 2 * half + 2; e++) {
                        s[m][n][e] = exp2_(s[m][n][e] * scale - shift);
                        part += s[m][n][e];
                        sums[m][n][e] *= shrink;
                    }
                total[m][half] = total[m][half] * shrink + part;
            }
#pragma unroll
        for (int step = 0; step < 4; step++) {
            u32 a[2][4];
            for (int m = 0; m < 2; m++) as_left(a[m], s[m], step);
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                u32 b[4];
                right_columns(b, values[turn], step * 16, pair, lane);
                for (int m = 0; m < 2; m++) {
                    mma(sums[m][2 * pair], a[m], b[0], b[1]);
                    mma(sums[m][2 * pair + 1], a[m], b[2], b[3]);
                }
            }
        }
        arrived();
    }
    bf16 *to = out + (clip * queries * heads + head) * SIZE;
    float *sums_to = lse + (clip * heads + head) * queries;
    for (int m = 0; m < 2; m++) {
        for (int half = 0; half < 2; half++) {
            total[m][half] += other(total[m][half], 1);
            total[m][half] += other(total[m][half], 2);
            int query = first + row + m * 16 + (lane >> 2) + 8 * half;
            if ((lane & 3) == 0 && query < queries)
                sums_to[query] = most[m][half] * scale + log2f(total[m][half]);
        }
        put(to, (size_t)heads * SIZE, first + row + m * 16, queries, sums[m],
            make_float2(1 / total[m][0], 1 / total[m][1]), lane);
    }
}
#endif

// Of each query and head, the sum of the result times its gradient: delta (batch, heads, queries). Eight lanes for each.
extern "C" __global__ void attention_delta(const bf16 *out, const bf16 *grad, float *delta, int rows, int queries,
                                           int heads) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) >> 3, part = threadIdx.x & 7;
    float along = 0;
    if (row < rows) {
        size_t at = ((size_t)row * SIZE + part * 8) / 4;
        along = sum(load4(out, at) * load4(grad, at)) + sum(load4(out, at + 1) * load4(grad, at + 1));
    }
    for (int distance = 4; distance > 0; distance /= 2) along += other(along, distance);
    int head = row % heads, query = row / heads % queries, clip = row / heads / queries;
    if (part == 0 && row < rows) delta[((size_t)clip * heads + head) * queries + query] = along;
}

// Gradients of queries into qkv's places. Grid (queries / 64, heads, batch), 128 threads: four warps of 16 queries each.
// `scale` is that of the scores; log2(e) comes on top of it where they are raised.
extern "C" __global__ void __launch_bounds__(128, 3)
    attention_queries_back(const bf16 *qkv, const bf16 *grad, const float *lse, const float *delta, bf16 *dqkv,
                           int tokens, int queries, int heads, float scale) {
    __shared__ __align__(1024) bf16 tiles[2][2][PASSING * SIZE];
    int first = blockIdx.x * OWN_BACK, head = blockIdx.y, lane = threadIdx.x & 31, row = (threadIdx.x >> 5) * 16;
    size_t stride = 3 * (size_t)heads * SIZE, of_out = (size_t)heads * SIZE, clip = blockIdx.z;
    const bf16 *q = qkv + clip * tokens * stride + head * SIZE, *k = q + heads * SIZE, *v = k + heads * SIZE;
    const bf16 *g = grad + clip * queries * of_out + head * SIZE;
    const float scale2 = scale * 1.44269504f;

    // Own rows go through the memory that tiles will pass through.
    u32 asks[4][4], grads[4][4];
    fetch(&tiles[0][0][0], q + first * stride, stride, OWN_BACK, queries - first);
    fetch(&tiles[1][0][0], g + first * of_out, of_out, OWN_BACK, queries - first);
    copies_begun();
    arrived();
    for (int step = 0; step < 4; step++) {
        left(asks[step], &tiles[0][0][0], row, step, lane);
        left(grads[step], &tiles[1][0][0], row, step, lane);
    }
    __syncthreads();
    float sum2[2] = {}, along[2] = {};
    for (int half = 0; half < 2; half++) {
        int query = first + row + (lane >> 2) + 8 * half;
        if (query < queries) {
            sum2[half] = lse[(clip * heads + head) * queries + query];
            along[half] = delta[(clip * heads + head) * queries + query];
        }
    }

    float dq[8][4] = {};
    fetch(tiles[0][0], k, stride, PASSING, tokens);
    fetch(tiles[0][1], v, stride, PASSING, tokens);
    copies_begun();
    arrived();
    for (int at = 0, turn = 0; at < tokens; at += PASSING, turn ^= 1) {
        if (at + PASSING < tokens) {
            int next = at + PASSING;
            fetch(tiles[turn ^ 1][0], k + next * stride, stride, PASSING, tokens - next);
            fetch(tiles[turn ^ 1][1], v + next * stride, stride, PASSING, tokens - next);
            copies_begun();
        }
#pragma unroll 1
        for (int from = 0; from < PASSING; from += COLUMNS) {
            float s[COLUMNS / 8][4], towards[COLUMNS / 8][4];
            products(s, asks, tiles[turn][0], from, lane);
            products(towards, grads, tiles[turn][1], from, lane);
            group_waits(s);
            group_waits(towards);
#pragma unroll
            for (int n = 0; n < COLUMNS / 8; n++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    float share = exp2_(s[n][e] * scale2 - sum2[e >> 1]);
                    if (at + from + n * 8 + 2 * (lane & 3) + (e & 1) >= tokens) share = 0;
                    s[n][e] = share * (towards[n][e] - along[e >> 1]);
                }
            gather(dq, s, tiles[turn][0], from, lane);
            group_waits(dq);
        }
        arrived();
    }
    put(dqkv + clip * tokens * stride + head * SIZE, stride, first + row, queries, dq, make_float2(scale, scale), lane);
}

// Gradients of keys and values into qkv's places. Grid (tokens / 64, heads, batch), 128 threads: four warps of 16 keys
// each. Scores are the other way round here: own rows are keys, queries go by.
extern "C" __global__ void __launch_bounds__(128, 2)
    attention_keys_back(const bf16 *qkv, const bf16 *grad, const float *lse, const float *delta, bf16 *dqkv, int tokens,
                        int queries, int heads, float scale) {
    __shared__ __align__(1024) bf16 tiles[2][2][PASSING * SIZE];
    __shared__ float of_queries[2][2][PASSING];
    int first = blockIdx.x * OWN_BACK, head = blockIdx.y, lane = threadIdx.x & 31, row = (threadIdx.x >> 5) * 16;
    size_t stride = 3 * (size_t)heads * SIZE, of_out = (size_t)heads * SIZE, clip = blockIdx.z;
    const bf16 *q = qkv + clip * tokens * stride + head * SIZE, *k = q + heads * SIZE, *v = k + heads * SIZE;
    const bf16 *g = grad + clip * queries * of_out + head * SIZE;
    const float *sums = lse + (clip * heads + head) * queries, *alongs = delta + (clip * heads + head) * queries;
    const float scale2 = scale * 1.44269504f;

    u32 keys[4][4], values[4][4];
    fetch(&tiles[0][0][0], k + first * stride, stride, OWN_BACK, tokens - first);
    fetch(&tiles[1][0][0], v + first * stride, stride, OWN_BACK, tokens - first);
    copies_begun();
    arrived();
    for (int step = 0; step < 4; step++) {
        left(keys[step], &tiles[0][0][0], row, step, lane);
        left(values[step], &tiles[1][0][0], row, step, lane);
    }
    __syncthreads();

    float dk[8][4] = {}, dv[8][4] = {};
    // Threads 0 to 63 bring sums, 64 to 127 what delta takes off; of a query that is none both are 0, as its gradient.
    auto numbers = [&](int at, int turn) {
        int query = at + (threadIdx.x & 63), which = threadIdx.x >> 6;
        if (which < 2)
            of_queries[turn][which][threadIdx.x & 63] = query < queries ? (which ? alongs : sums)[query] : 0;
    };
    fetch(tiles[0][0], q, stride, PASSING, queries);
    fetch(tiles[0][1], g, of_out, PASSING, queries);
    copies_begun();
    numbers(0, 0);
    arrived();
    for (int at = 0, turn = 0; at < queries; at += PASSING, turn ^= 1) {
        if (at + PASSING < queries) {
            int next = at + PASSING;
            fetch(tiles[turn ^ 1][0], q + next * stride, stride, PASSING, queries - next);
            fetch(tiles[turn ^ 1][1], g + next * of_out, of_out, PASSING, queries - next);
            copies_begun();
            numbers(next, turn ^ 1);
        }
#pragma unroll 1
        for (int from = 0; from < PASSING; from += COLUMNS) {
            float shares[COLUMNS / 8][4], towards[COLUMNS / 8][4];
            products(shares, keys, tiles[turn][0], from, lane);
            products(towards, values, tiles[turn][1], from, lane);
            group_waits(shares);
            group_waits(towards);
#pragma unroll
            for (int n = 0; n < COLUMNS / 8; n++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    int query = from + n * 8 + 2 * (lane & 3) + (e & 1);
                    shares[n][e] = exp2_(shares[n][e] * scale2 - of_queries[turn][0][query]);
                    towards[n][e] = shares[n][e] * (towards[n][e] - of_queries[turn][1][query]);
                }
            gather(dv, shares, tiles[turn][1], from, lane);
            gather(dk, towards, tiles[turn][0], from, lane);
            group_waits(dv);
            group_waits(dk);
        }
        arrived();
    }
    bf16 *to = dqkv + clip * tokens * stride + head * SIZE;
    put(to + heads * SIZE, stride, first + row, tokens, dk, make_float2(scale, scale), lane);
    put(to + 2 * heads * SIZE, stride, first + row, tokens, dv, make_float2(1, 1), lane);
}
