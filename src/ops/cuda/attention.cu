// Attention that keeps no scores (Dao, arXiv 2307.08691), for heads of 64 numbers in bf16, sums in single precision.
//
// qkv is (batch, tokens, 3, heads, 64); out is (batch, queries, heads, 64): the first `queries` tokens of each clip ask,
// all of them answer. lse is (batch, heads, queries), the logarithm to base 2 of a query's sum of raised scores.
// The backward pass is two kernels, of which each adds up its own tile in registers: no atomics, the same to the bit.
#include "tiles.cuh"

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
            scores_back(shares, towards, keys, values, tiles[turn][0], tiles[turn][1], of_queries[turn][0],
                        of_queries[turn][1], scale2, from, lane);
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

#include "attention_once.cuh"
