// What a warp does together, and numbers of two and four bytes. Kernels use nothing of CUDA's beyond this file, so
// that tests/kernels can run them on a CPU, thread by thread.
#pragma once

struct bf16 {
    unsigned short bits;
};

#ifdef __CUDACC__
#include <cuda_runtime.h>

typedef unsigned int u32;
typedef unsigned long long u64;

__device__ __forceinline__ float widen(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }

// Two numbers, rounded to nearest even; the first in the low half.
__device__ __forceinline__ u32 pack(float low, float high) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

__device__ __forceinline__ float exp2_(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// d (16, 8) += a (16, 16) b (16, 8), each lane with its share as PTX's mma.m16n8k16 lays it out.
__device__ __forceinline__ void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices; lanes 8 i to 8 i + 7 name the rows of the i-th. Lane l gets two numbers of row l / 4 of each.
__device__ __forceinline__ void rows4(u32 (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(u32(__cvta_generic_to_shared(row))));
}

// The same, transposed: lane l gets two numbers of column l / 4 of each.
__device__ __forceinline__ void columns4(u32 (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(u32(__cvta_generic_to_shared(row))));
}

// Shared memory whose size the launch gives.
#define dynamic_shared(type, name, count) extern __shared__ __align__(1024) type name[]

// Adds to four neighbours that no other thread writes to. Hopper does so in its second-level cache.
__device__ __forceinline__ void add4(float *to, size_t four, float4 x) {
#ifdef HOPPER
    asm volatile("red.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"((float4 *)to + four), "f"(x.x), "f"(x.y), "f"(x.z),
                 "f"(x.w)
                 : "memory");
#else
    float4 old = ((float4 *)to)[four];
    ((float4 *)to)[four] = make_float4(old.x + x.x, old.y + x.y, old.z + x.z, old.w + x.w);
#endif
}

// 16 bytes from global to shared memory, or zeros, without waiting.
__device__ __forceinline__ void copy16(bf16 *to, const bf16 *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(u32(__cvta_generic_to_shared(to))), "l"(from),
                 "r"(there ? 16 : 0));
}
__device__ __forceinline__ void copies_begun() { asm volatile("cp.async.commit_group;"); }
__device__ __forceinline__ void copies_done() { asm volatile("cp.async.wait_group 0;"); }

#ifdef HOPPER
// The numbers of a (64, 64) sum that a lane has, as an instruction's operands.
#define SUM_OPERANDS(d)                                                                                               \
    "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]), "+f"(d[1][1]), "+f"(d[1][2]),         \
        "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]), "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]),     \
        "+f"(d[3][2]), "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]), "+f"(d[5][0]),     \
        "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]), "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]),     \
        "+f"(d[7][0]), "+f"(d[7][1]), "+f"(d[7][2]), "+f"(d[7][3])

// d (64, 64) += a (64, 16) b (16, 64) by four warps, each with 16 rows laid out as for mma; b is a tile in shared
// memory, TURNED if its rows are the sum's. Without `onto`, d is set. Products are begun, not done, when this returns.
template <int TURNED>
__device__ __forceinline__ void group_mma(float (&d)[8][4], const u32 (&a)[4], u64 b, int onto) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, p, 1, 1, %38;\n}"
                 : SUM_OPERANDS(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(onto), "n"(TURNED));
}
// The same of a from a tile: from its rows, or TURNED from its columns, b's rows then being the sum's.
template <int TURNED>
__device__ __forceinline__ void group_mma(float (&d)[8][4], u64 a, u64 b, int onto) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
                 "%23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, %35, %35;\n}"
                 : SUM_OPERANDS(d)
                 : "l"(a), "l"(b), "r"(onto), "n"(TURNED));
}
// Around a series of them: registers are ready; the series is closed.
__device__ __forceinline__ void group_begins() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void group_begun() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Keeps the compiler from moving what computes registers, or reads them, across this place.
template <int N> __device__ __forceinline__ void pin(float (&d)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) asm volatile("" : "+f"(d[n][e])::"memory");
}
template <int N> __device__ __forceinline__ void pin(u32 (&a)[N][4]) {
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) asm volatile("" : "+r"(a[n][e])::"memory");
}
// All that was begun is done, and d can be read.
template <int N> __device__ __forceinline__ void group_waits(float (&d)[N][4]) {
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    pin(d);
}
// What this thread wrote to shared memory is seen by products that read it there.
__device__ __forceinline__ void shown_to_group() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
#endif

__device__ __forceinline__ float other(float x, int distance) { return __shfl_xor_sync(0xffffffff, x, distance); }
#endif

__device__ __forceinline__ float low(u32 both) { return __uint_as_float(both << 16); }
__device__ __forceinline__ float high(u32 both) { return __uint_as_float(both & 0xffff0000u); }

__device__ __forceinline__ float warp_sum(float x) {
    for (int distance = 16; distance > 0; distance /= 2) x += other(x, distance);
    return x;
}

// Four neighbours, of either width.
__device__ __forceinline__ float4 load4(const float *from, size_t four) { return ((const float4 *)from)[four]; }
__device__ __forceinline__ float4 load4(const bf16 *from, size_t four) {
    uint2 both = ((const uint2 *)from)[four];
    return make_float4(low(both.x), high(both.x), low(both.y), high(both.y));
}
__device__ __forceinline__ void store4(float *to, size_t four, float4 x) { ((float4 *)to)[four] = x; }
__device__ __forceinline__ void store4(bf16 *to, size_t four, float4 x) {
    ((uint2 *)to)[four] = make_uint2(pack(x.x, x.y), pack(x.z, x.w));
}
__device__ __forceinline__ float4 operator+(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
__device__ __forceinline__ float4 operator-(float4 a, float4 b) {
    return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float4 b) {
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ __forceinline__ float4 operator*(float4 a, float b) { return a * make_float4(b, b, b, b); }
__device__ __forceinline__ float4 operator-(float4 a, float b) { return a - make_float4(b, b, b, b); }
__device__ __forceinline__ float sum(float4 a) { return (a.x + a.y) + (a.z + a.w); }
