// Attention's backward pass with five products instead of seven, beside the two kernels of attention.cu. A block takes
// some neighbouring tiles of keys, one after another, and every query for each of them. Its keys' and values' gradients
// are its own; what it finds for the queries it adds up in memory of its own, in the order of its tiles, and
// attention_fold_queries adds up what the blocks have, in their order: no atomics between blocks, the same to the bit.

// Of the queries' gradients as they are before attention_fold_queries: (blocks of keys, batch, heads, tiles of queries,
// 8, 128 threads, 4), each thread's numbers as its product leaves them.
__device__ __forceinline__ size_t part_of(int split, int tile, int heads, int queries) {
    size_t clip = blockIdx.z, tiles = (queries + PASSING - 1) / PASSING;
    return (((split * (size_t)gridDim.z + clip) * heads + blockIdx.y) * tiles + tile) * PASSING * SIZE;
}

// Grid (blocks of keys, heads, batch), 128 threads: four warps, of 16 keys each and then of 16 queries each. A block
// takes `each` tiles of keys.
extern "C" __global__ void __launch_bounds__(128, 2)
    attention_back_once(const bf16 *qkv, const bf16 *grad, const float *lse, const float *delta, bf16 *dqkv,
                        float *parts, int tokens, int queries, int heads, float scale, int each) {
    dynamic_shared(bf16, memory, ONCE_SHARED / 2);
    const int TILE = PASSING * SIZE;
    // Two of queries and of their gradients, by turns; the keys; what is found for the scores, keys by queries.
    bf16 *tiles = memory, *own = memory + 4 * TILE, *found = memory + 5 * TILE;
    float *of_queries = (float *)(memory + 6 * TILE);  // Sums and what delta takes off, by turns.
    int head = blockIdx.y, lane = threadIdx.x & 31, warp = threadIdx.x >> 5, row = warp * 16;
    size_t stride = 3 * (size_t)heads * SIZE, of_out = (size_t)heads * SIZE, clip = blockIdx.z;
    const bf16 *q = qkv + clip * tokens * stride + head * SIZE, *k = q + heads * SIZE, *v = k + heads * SIZE;
    const bf16 *g = grad + clip * queries * of_out + head * SIZE;
    const float *sums = lse + (clip * heads + head) * queries, *alongs = delta + (clip * heads + head) * queries;
    const float scale2 = scale * 1.44269504f;
    auto bring = [&](int at, int turn) {
        fetch(tiles + 2 * turn * TILE, q + at * stride, stride, PASSING, queries - at);
        fetch(tiles + (2 * turn + 1) * TILE, g + at * of_out, of_out, PASSING, queries - at);
        copies_begun();
        // Of a query that is none both are 0, as its gradient.
        int query = at + (threadIdx.x & 63);
        of_queries[turn * 128 + threadIdx.x] = query < queries ? (threadIdx.x >> 6 ? alongs : sums)[query] : 0;
    };

    int begin = blockIdx.x * each * OWN_BACK, end = min(tokens, begin + each * OWN_BACK);
    for (int first = begin; first < end; first += OWN_BACK) {
        u32 keys[4][4], values[4][4];
        fetch(own, k + first * stride, stride, OWN_BACK, tokens - first);
        fetch(found, v + first * stride, stride, OWN_BACK, tokens - first);
        bring(0, 0);
        arrived();
        for (int step = 0; step < 4; step++) {
            left(keys[step], own, row, step, lane);
            left(values[step], found, row, step, lane);
        }
        __syncthreads();
        float dk[8][4] = {}, dv[8][4] = {};
        for (int at = 0, turn = 0; at < queries; at += PASSING, turn ^= 1) {
            if (at + PASSING < queries) bring(at + PASSING, turn ^ 1);
            const bf16 *asks = tiles + 2 * turn * TILE, *grads = asks + TILE;
            const float *sum_of = of_queries + turn * 128, *along_of = sum_of + 64;
#pragma unroll 1
            for (int from = 0; from < PASSING; from += COLUMNS) {
                float shares[COLUMNS / 8][4], towards[COLUMNS / 8][4];
                scores_back(shares, towards, keys, values, asks, grads, sum_of, along_of, scale2, from, lane);
                gather(dv, shares, grads, from, lane);
                gather(dk, towards, asks, from, lane);
                keep(found, towards, row, from, lane);
                group_waits(dv);
                group_waits(dk);
            }
#ifdef HOPPER
            shown_to_group();
#endif
            __syncthreads();
            float dq[8][4];
            across(dq, found, own, warp, lane);
            group_waits(dq);
            float *to = parts + part_of(blockIdx.x, at / PASSING, heads, queries);
#pragma unroll
            for (int n = 0; n < 8; n++) {
                float4 more = make_float4(dq[n][0], dq[n][1], dq[n][2], dq[n][3]);
                if (first == begin)
                    store4(to, n * 128 + threadIdx.x, more);
                else
                    add4(to, n * 128 + threadIdx.x, more);
            }
            arrived();
        }
        bf16 *to = dqkv + clip * tokens * stride + head * SIZE;
        put(to + heads * SIZE, stride, first + row, tokens, dk, make_float2(scale, scale), lane);
        put(to + 2 * heads * SIZE, stride, first + row, tokens, dv, make_float2(1, 1), lane);
    }
}

// Queries' gradients into qkv's places, from the `splits` parts that attention_back_once left. Grid (queries / 64, heads,
// batch), 128 threads.
extern "C" __global__ void __launch_bounds__(128)
    attention_fold_queries(const float *parts, bf16 *dqkv, int tokens, int queries, int heads, float scale, int splits) {
    int lane = threadIdx.x & 31, row = (threadIdx.x >> 5) * 16;
    size_t stride = 3 * (size_t)heads * SIZE, clip = blockIdx.z;
    float4 all[8];
    for (int split = 0; split < splits; split++) {
        const float *from = parts + part_of(split, blockIdx.x, heads, queries);
#pragma unroll
        for (int n = 0; n < 8; n++) {
            float4 part = load4(from, n * 128 + threadIdx.x);
            all[n] = split == 0 ? part : all[n] + part;
        }
    }
    float dq[8][4];
#pragma unroll
    for (int n = 0; n < 8; n++) dq[n][0] = all[n].x, dq[n][1] = all[n].y, dq[n][2] = all[n].z, dq[n][3] = all[n].w;
    put(dqkv + clip * tokens * stride + blockIdx.y * SIZE, stride, (int)blockIdx.x * PASSING + row, queries, dq,
        make_float2(scale, scale), lane);
}
