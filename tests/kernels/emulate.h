// A GPU for one block at a time on one core: each thread is a fibre that runs until what its warp or block does
// together. Slow and exact, it says whether kernels compute what they should; it knows nothing of races between blocks.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))

typedef uint32_t u32;
typedef uint64_t u64;
using std::min;

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
struct float2 {
    float x, y;
};
struct float4 {
    float x, y, z, w;
};
struct uint2 {
    u32 x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline float __uint_as_float(u32 bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }

// Threads that wait for each other.
struct Group {
    unsigned alive = 0, arrived = 0, round = 0;
};
struct Warp : Group {
    u32 a[32][4], b[32][2];
    const void *rows[32];
    float value[32];
};
struct Four : Group {
    u32 a[128][4];
};
struct Fibre {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    dim3 index;
    Warp *warp;
    Four *four;
    bool done = false;
};
inline Fibre *current;
inline ucontext_t scheduler;
inline Group block;
inline std::function<void()> work;
inline dim3 blockIdx, blockDim, gridDim;
#define threadIdx (current->index)

inline void meet(Group &group) {
    unsigned round = group.round;
    if (++group.arrived >= group.alive) {
        group.arrived = 0;
        group.round++;
        return;
    }
    while (group.round == round) swapcontext(&current->context, &scheduler);
}
inline void leave(Group &group) {
    if (--group.alive > 0 && group.arrived >= group.alive) {
        group.arrived = 0;
        group.round++;
    }
}
inline void __syncthreads() { meet(block); }
inline int lane() { return current->index.x & 31; }

inline void fibre_main() {
    work();
    current->done = true;
    leave(*current->warp);
    leave(*current->four);
    leave(block);
    swapcontext(&current->context, &scheduler);
}

inline void launch(dim3 grid, unsigned threads, std::function<void()> kernel) {
    gridDim = grid;
    blockDim = {threads};
    work = kernel;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
                std::vector<Warp> warps((threads + 31) / 32);
                std::vector<Four> fours((threads + 127) / 128);
                std::vector<Fibre> fibres(threads);
                block = Group{threads};
                for (unsigned i = 0; i < threads; i++) {
                    Fibre &fibre = fibres[i];
                    fibre.stack.reset(new char[1 << 16]);
                    fibre.index = {i, 0, 0};
                    fibre.warp = &warps[i / 32];
                    fibre.warp->alive++;
                    fibre.four = &fours[i / 128];
                    fibre.four->alive++;
                    getcontext(&fibre.context);
                    fibre.context.uc_stack.ss_sp = fibre.stack.get();
                    fibre.context.uc_stack.ss_size = 1 << 16;
                    fibre.context.uc_link = nullptr;
                    makecontext(&fibre.context, fibre_main, 0);
                }
                for (bool going = true; going;) {
                    going = false;
                    for (Fibre &fibre : fibres) {
                        if (fibre.done) continue;
                        going = true;
                        current = &fibre;
                        swapcontext(&scheduler, &fibre.context);
                    }
                }
            }
}

struct bf16;
inline u32 round_bf16(float x) {
    u32 bits;
    memcpy(&bits, &x, 4);
    return std::isnan(x) ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
inline u32 pack(float low, float high) { return round_bf16(low) | round_bf16(high) << 16; }
inline float exp2_(float x) { return std::exp2(x); }
inline float reciprocal(float x) { return 1 / x; }
inline float half_of(u32 both, int which) { return __uint_as_float(which ? both & 0xffff0000u : both << 16); }

// Fragments as PTX's documentation of mma.m16n8k16 lays them out.
inline void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    Warp &warp = *current->warp;
    int own = lane();
    memcpy(warp.a[own], a, sizeof a);
    warp.b[own][0] = b0;
    warp.b[own][1] = b1;
    meet(warp);
    for (int e = 0; e < 4; e++) {
        int row = own / 4 + 8 * (e / 2), column = own % 4 * 2 + e % 2;
        for (int k = 0; k < 16; k++) {
            float x = half_of(warp.a[row % 8 * 4 + k % 8 / 2][(row >= 8) + 2 * (k >= 8)], k % 2);
            d[e] += x * half_of(warp.b[column * 4 + k % 8 / 2][k >= 8], k % 2);
        }
    }
    meet(warp);
}
inline void matrices(u32 (&r)[4], const void *row, bool transposed) {
    Warp &warp = *current->warp;
    int own = lane();
    warp.rows[own] = row;
    meet(warp);
    for (int i = 0; i < 4; i++) {
        uint16_t pair[2];
        for (int half = 0; half < 2; half++) {
            int row = own / 4, column = own % 4 * 2 + half;
            if (transposed) std::swap(row, column);
            pair[half] = ((const uint16_t *)warp.rows[8 * i + row])[column];
        }
        r[i] = pair[0] | (u32)pair[1] << 16;
    }
    meet(warp);
}
inline void rows4(u32 (&r)[4], const bf16 *row) { matrices(r, row, false); }
inline void columns4(u32 (&r)[4], const bf16 *row) { matrices(r, row, true); }
inline void copy16(bf16 *to, const bf16 *from, bool there) {
    if (there)
        memcpy((void *)to, (const void *)from, 16);
    else
        memset((void *)to, 0, 16);
}

#ifdef HOPPER
// Products of four warps, as PTX's documentation of wgmma.mma_async.m64n64k16 has them: begun is done here.
inline uintptr_t last_shared;
inline u64 __cvta_generic_to_shared(const void *x) { return last_shared = (uintptr_t)x; }
// A number of the matrix that a descriptor names: rows of 128 bytes, whose groups of 16 are shuffled by the row's place
// in eight, eight rows 1024 bytes. The descriptor has the address's last bits, the others are those of its neighbours.
inline float number_of(u64 descriptor, int row, int column) {
    const uintptr_t window = 1 << 18;
    uintptr_t at = (last_shared & ~(window - 1)) + ((descriptor & 0xffff) << 4);
    if (at > last_shared + window / 2) at -= window;
    if (at + window / 2 < last_shared) at += window;
    at += row / 8 * 1024 + row % 8 * 128 + column * 2;
    at ^= (at >> 7 & 7) << 4;
    return half_of(*(const uint16_t *)at, 0);
}
// `left` has rows 0 to 63 and columns 0 to 15.
template <typename Left> inline void group_product(float (&d)[8][4], Left left, u64 b, bool turned, int onto) {
    meet(*current->four);
    int warp = (current->index.x & 127) / 32;
    for (int n = 0; n < 8; n++)
        for (int e = 0; e < 4; e++) {
            int row = warp * 16 + lane() / 4 + 8 * (e / 2), column = n * 8 + lane() % 4 * 2 + e % 2;
            if (!onto) d[n][e] = 0;
            for (int k = 0; k < 16; k++)
                d[n][e] += left(row, k) * (turned ? number_of(b, k, column) : number_of(b, column, k));
        }
    meet(*current->four);
}
template <int TURNED> inline void group_mma(float (&d)[8][4], const u32 (&a)[4], u64 b, int onto) {
    Four &four = *current->four;
    memcpy(four.a[current->index.x & 127], a, sizeof a);
    auto left = [&](int row, int k) {
        const u32 *from = four.a[row / 16 * 32 + row % 8 * 4 + k % 8 / 2];
        return half_of(from[(row % 16 >= 8) + 2 * (k >= 8)], k % 2);
    };
    group_product(d, left, b, TURNED, onto);
}
template <int TURNED> inline void group_mma(float (&d)[8][4], u64 a, u64 b, int onto) {
    auto left = [&](int row, int k) { return TURNED ? number_of(a, k, row) : number_of(a, row, k); };
    group_product(d, left, b, TURNED, onto);
}
inline void group_begins() {}
inline void group_begun() {}
inline void shown_to_group() {}
template <typename T> inline void pin(T &) {}
template <typename T> inline void group_waits(T &) {}
#endif

#define dynamic_shared(type, name, count) static __align__(1024) type name[count]
inline void add4(float *to, size_t four, float4 x) {
    float all[] = {x.x, x.y, x.z, x.w};
    for (int i = 0; i < 4; i++) to[4 * four + i] += all[i];
}
inline void copies_begun() {}
inline void copies_done() {}
inline float other(float x, int distance) {
    Warp &warp = *current->warp;
    warp.value[lane()] = x;
    meet(warp);
    float y = warp.value[lane() ^ distance];
    meet(warp);
    return y;
}
