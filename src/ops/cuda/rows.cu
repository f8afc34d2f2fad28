// What is done number by number and row by row between products. Rows are of `width` numbers, a multiple of 4; a warp
// takes a row. Activations are single precision or bf16 (the kernels' suffix), what is added up is single precision.
#include "lanes.cuh"

// A warp keeps rows of up to 1024 numbers in registers: FOURS times four a lane, 8 at most. So that loads go out together,
// their number is known to the compiler; lanes beyond a row's end have zeros.
#define WITH_FOURS(width, call)                                                                                       \
    do {                                                                                                              \
        if (width <= 256) {                                                                                           \
            const int FOURS = 2;                                                                                      \
            call;                                                                                                     \
        } else if (width <= 512) {                                                                                    \
            const int FOURS = 4;                                                                                      \
            call;                                                                                                     \
        } else if (width <= 768) {                                                                                    \
            const int FOURS = 6;                                                                                      \
            call;                                                                                                     \
        } else {                                                                                                      \
            const int FOURS = 8;                                                                                      \
            call;                                                                                                     \
        }                                                                                                             \
    } while (0)

__device__ __forceinline__ float4 four(const float *from, int i) { return load4(from, i); }

// stream = x + a + a_bias + b + b_bias, of which what is null is left out; `norm` = LayerNorm(stream), `stats` its mean
// and 1 / deviation. Without a and b the stream is x and is not written; without `norm` only the stream is.
template <int FOURS, typename T>
__device__ __forceinline__ void add_norm(const float *x, const T *a, const float *a_bias, const T *b, const float *b_bias,
                         const float *weight, const float *bias, float *stream, T *norm, float2 *stats, int rows,
                         int width, float eps) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) >> 5, lane = threadIdx.x & 31;
    if (row >= rows) return;
    size_t from = (size_t)row * width / 4;
    float4 v[FOURS];
    float total = 0;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int at = lane + 32 * i;
        v[i] = make_float4(0, 0, 0, 0);
        if (at * 4 >= width) continue;
        v[i] = load4(x, from + at);
        if (a) v[i] = v[i] + load4(a, from + at);
        if (a_bias) v[i] = v[i] + four(a_bias, at);
        if (b) v[i] = v[i] + load4(b, from + at);
        if (b_bias) v[i] = v[i] + four(b_bias, at);
        if (a) store4(stream, from + at, v[i]);
        total += sum(v[i]);
    }
    if (!norm) return;
    float mean = warp_sum(total) / width, squares = 0;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        if ((lane + 32 * i) * 4 >= width) continue;
        v[i] = v[i] - mean;
        squares += sum(v[i] * v[i]);
    }
    float scale = rsqrtf(warp_sum(squares) / width + eps);
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int at = lane + 32 * i;
        if (at * 4 >= width) continue;
        store4(norm, from + at, v[i] * scale * four(weight, at) + four(bias, at));
    }
    if (stats && lane == 0) stats[row] = make_float2(mean, scale);
}

// towards = grad + LayerNorm's gradient of d at stream; `rounded` is the same as activations are.
// `grad` may be `towards` itself, or null for zeros.
template <int FOURS, typename T>
__device__ __forceinline__ void norm_back(const T *d, const float *stream, const float2 *stats, const float *weight,
                          const float *grad, float *towards, T *rounded, int rows, int width) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) >> 5, lane = threadIdx.x & 31;
    if (row >= rows) return;
    size_t from = (size_t)row * width / 4;
    float2 of_row = stats[row];
    float4 h[FOURS], n[FOURS];
    float total = 0, along = 0;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int at = lane + 32 * i;
        h[i] = n[i] = make_float4(0, 0, 0, 0);
        if (at * 4 >= width) continue;
        h[i] = load4(d, from + at);
        h[i] = h[i] * four(weight, at);
        n[i] = (load4(stream, from + at) - of_row.x) * of_row.y;
        total += sum(h[i]);
        along += sum(h[i] * n[i]);
    }
    total = warp_sum(total) / width;
    along = warp_sum(along) / width;
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        int at = lane + 32 * i;
        if (at * 4 >= width) continue;
        float4 own = (h[i] - total - n[i] * along) * of_row.y;
        if (grad) own = own + load4(grad, from + at);
        store4(towards, from + at, own);
        if (rounded) store4(rounded, from + at, own);
    }
}

// The normal distribution's share below x: Abramowitz and Stegun's 7.1.26, good to 1e-7, which shares its one exponential
// with the density.
__device__ __forceinline__ float share_below(float x, float raised) {
    float t = reciprocal(1 + 0.23164189f * fabsf(x));
    float tail = t * (0.127414796f + t * (-0.142248368f + t * (0.710706871f + t * (-0.726576014f + t * 0.530702715f))));
    tail *= raised;
    return x < 0 ? tail : 1 - tail;
}
__device__ __forceinline__ float raised(float x) { return exp2_(-0.72134752f * x * x); }
__device__ __forceinline__ float gelu(float x) { return x * share_below(x, raised(x)); }
__device__ __forceinline__ float gelu_slope(float x) {
    float e = raised(x);
    return share_below(x, e) + x * 0.39894228f * e;
}

// to = GELU(x + bias), in fours.
template <typename T>
__device__ void gelu_forward(const T *x, const float *bias, T *to, size_t count, int width) {
    size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at * 4 >= count) return;
    float4 v = load4(x, at) + four(bias, at % (width / 4));
    store4(to, at, make_float4(gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w)));
}

// grad times GELU's slope at x + bias, in its place; `value`, if not null, gets GELU(x + bias).
template <typename T>
__device__ void gelu_back(const T *x, const float *bias, T *grad, T *value, size_t count, int width) {
    size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at * 4 >= count) return;
    float4 v = load4(x, at) + four(bias, at % (width / 4)), g = load4(grad, at);
    store4(grad, at, g * make_float4(gelu_slope(v.x), gelu_slope(v.y), gelu_slope(v.z), gelu_slope(v.w)));
    if (value) store4(value, at, make_float4(gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w)));
}

// x + bias in its place.
template <typename T>
__device__ void add_bias(T *x, const float *bias, size_t count, int width) {
    size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at * 4 < count) store4(x, at, load4(x, at) + four(bias, at % (width / 4)));
}

// Of `rows` rows, sums down the columns: of x, and with `stream` of x times the row's normalised stream, too. Block y
// takes the y-th share of the rows and leaves its sums in (gridDim.y, width), which fold_tensors adds up. Grid
// (width / 128, shares), 256 threads.
template <typename T>
__device__ void column_sums(const T *x, const float *stream, const float2 *stats, float *sums, float *alongs, int rows,
                            int width) {
    __shared__ float4 shared[2][8][32];
    int lane = threadIdx.x & 31, part = threadIdx.x >> 5, at = blockIdx.x * 32 + lane;
    int share = (rows + gridDim.y - 1) / gridDim.y, end = min(rows, share * (int)(blockIdx.y + 1));
    float4 zero = make_float4(0, 0, 0, 0), total = zero, along = zero;
    if (at * 4 < width)
        for (int row = share * blockIdx.y + part; row < end; row += 8) {
            size_t place = (size_t)row * (width / 4) + at;
            float4 v = load4(x, place);
            total = total + v;
            if (stream) {
                float2 of_row = stats[row];
                along = along + v * ((load4(stream, place) - of_row.x) * of_row.y);
            }
        }
    shared[0][part][lane] = total;
    shared[1][part][lane] = along;
    __syncthreads();
    if (part < 2 && at * 4 < width && (part == 0 || stream)) {
        float4 all = zero;
        for (int i = 0; i < 8; i++) all = all + shared[part][i][lane];
        store4(part ? alongs : sums, (size_t)blockIdx.y * (width / 4) + at, all);
    }
}

#define KERNELS(T, SUFFIX)                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) add_norm_##SUFFIX(                                              \
        const float *x, const T *a, const float *a_bias, const T *b, const float *b_bias, const float *weight,        \
        const float *bias, float *stream, T *norm, float2 *stats, int rows, int width, float eps) {                   \
        WITH_FOURS(width, (add_norm<FOURS>(x, a, a_bias, b, b_bias, weight, bias, stream, norm, stats, rows, width, eps))); \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) norm_back_##SUFFIX(                                             \
        const T *d, const float *stream, const float2 *stats, const float *weight, const float *grad,     \
        float *towards, T *rounded, int rows, int width) {                                                            \
        WITH_FOURS(width, (norm_back<FOURS>(d, stream, stats, weight, grad, towards, rounded, rows, width)));       \
    }                                                                                                                 \
    extern "C" __global__ void gelu_forward_##SUFFIX(const T *x, const float *bias, T *to, size_t count, int width) { \
        gelu_forward(x, bias, to, count, width);                                                                      \
    }                                                                                                                 \
    extern "C" __global__ void gelu_back_##SUFFIX(const T *x, const float *bias, T *grad, T *value, size_t count,     \
                                                  int width) {                                                        \
        gelu_back(x, bias, grad, value, count, width);                                                                \
    }                                                                                                                 \
    extern "C" __global__ void add_bias_##SUFFIX(T *x, const float *bias, size_t count, int width) {                  \
        add_bias(x, bias, count, width);                                                                              \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) column_sums_##SUFFIX(                                           \
        const T *x, const float *stream, const float2 *stats, float *sums, float *alongs, int rows, int width) {      \
        column_sums(x, stream, stats, sums, alongs, rows, width);                                                     \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)

// Tokens (clips, class + patches, width) from products (clips, patches, width): each with its position, the class tokens
// given, the others with the bias. In fours.
extern "C" __global__ void place_tokens(const float *products, const float *bias, const float *first,
                                        const float *second, const float *positions, float *to, size_t count,
                                        int patches, int width) {
    size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at * 4 >= count) return;
    int fours = width / 4, place = at % fours, token = at / fours % (patches + 2);
    size_t clip = at / fours / (patches + 2);
    float4 own = token == 0   ? four(first, place)
                 : token == 1 ? four(second, place)
                              : load4(products, (clip * patches + token - 2) * fours + place) + four(bias, place);
    store4(to, at, own + load4(positions, (size_t)token * fours + place));
}

// Patches (clips, grid 0 x grid 1, patch 0 x patch 1) of spectrograms (clips, frames, bins): frequency first, a patch's
// pixels mel by frame.
extern "C" __global__ void unfold_patches(const float *clips, float *to, size_t count, int frames, int bins, int grid0,
                                          int grid1, int patch0, int patch1, int stride0, int stride1) {
    size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    int pixel = at % (patch0 * patch1);
    size_t patch = at / (patch0 * patch1), clip = patch / (grid0 * grid1);
    int row = patch / grid1 % grid0, column = patch % grid1;
    int bin = row * stride0 + pixel / patch1, frame = column * stride1 + pixel % patch1;
    to[at] = clips[(clip * frames + frame) * bins + bin];
}

// Up to TENSORS tensors that one launch works on, passed by value. `at` has their addresses by the part they play, `with`
// numbers of their own, `counts` how many numbers they have. Block b takes a piece of the last tensor t that has
// begins[t] <= b, the (b - begins[t])-th; beyond the last tensor `begins` is the number of blocks. 256 threads.
#define TENSORS 64
// Numbers of a piece: where tensors are written, where they are added up, and of sums that are put together.
#define PIECE 2048
#define SUMMED 16384
#define FOLDED 256
struct Tensors {
    void *at[4][TENSORS];
    float with[2][TENSORS];
    u32 counts[TENSORS], begins[TENSORS + 1];
};
static_assert(sizeof(Tensors) == 3080, "list.rs has the same");

// The tensor of this block.
__device__ __forceinline__ int tensor_of_block(const Tensors &all) {
    int tensor = 0;
    for (int step = TENSORS / 2; step > 0; step /= 2)
        if (all.begins[tensor + step] <= blockIdx.x) tensor += step;
    return tensor;
}

// One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101), where the weights are: weights, gradients, first and
// second moments. Of each tensor, the share that decay keeps and the rate; gradients count `scale` times.
extern "C" __global__ void __launch_bounds__(256)
    adamw(const __grid_constant__ Tensors all, float scale, float beta1, float new1, float beta2, float new2,
          float unbias2, float eps) {
    const int EACH = PIECE / 256;
    int tensor = tensor_of_block(all);
    size_t from = (size_t)(blockIdx.x - all.begins[tensor]) * PIECE + threadIdx.x, count = all.counts[tensor];
    float *weights = (float *)all.at[0][tensor], *first = (float *)all.at[2][tensor];
    float *second = (float *)all.at[3][tensor];
    const float *gradient = (const float *)all.at[1][tensor];
    float keep = all.with[0][tensor], rate = all.with[1][tensor];
    // All loads go out before the first store, which might change what is loaded for all the compiler knows.
    float w[EACH], g[EACH], m[EACH], v[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        size_t at = from + i * 256;
        bool there = at < count;
        w[i] = there ? weights[at] : 0;
        g[i] = there ? gradient[at] * scale : 0;
        m[i] = there ? first[at] : 0;
        v[i] = there ? second[at] : 0;
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        size_t at = from + i * 256;
        if (at >= count) continue;
        m[i] = m[i] * beta1 + g[i] * new1;
        v[i] = v[i] * beta2 + g[i] * g[i] * new2;
        first[at] = m[i];
        second[at] = v[i];
        weights[at] = w[i] * keep - m[i] / (sqrtf(v[i]) * unbias2 + eps) * rate;
    }
}

// Of each piece of the tensors, the sum of its numbers' squares: sums (blocks).
extern "C" __global__ void __launch_bounds__(256) squares(const __grid_constant__ Tensors all, float *sums) {
    __shared__ float shared[8];
    int tensor = tensor_of_block(all);
    size_t from = (size_t)(blockIdx.x - all.begins[tensor]) * SUMMED + threadIdx.x, count = all.counts[tensor];
    const float *x = (const float *)all.at[0][tensor];
    float total = 0;
#pragma unroll 8
    for (int i = 0; i < SUMMED / 256; i++) {
        float own = from + i * 256 < count ? x[from + i * 256] : 0;
        total += own * own;
    }
    total = warp_sum(total);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = total;
    __syncthreads();
    if (threadIdx.x > 0) return;
    total = 0;
    for (int i = 0; i < 8; i++) total += shared[i];
    sums[blockIdx.x] = total;
}

// The first of each pair of tensors, rounded, in the second.
extern "C" __global__ void __launch_bounds__(256) round_tensors(const __grid_constant__ Tensors all) {
    int tensor = tensor_of_block(all);
    size_t from = (size_t)(blockIdx.x - all.begins[tensor]) * PIECE + threadIdx.x, count = all.counts[tensor];
    const float *x = (const float *)all.at[0][tensor];
    bf16 *to = (bf16 *)all.at[1][tensor];
    const int EACH = PIECE / 256;
    float own[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) own[i] = from + i * 256 < count ? x[from + i * 256] : 0;
#pragma unroll
    for (int i = 0; i < EACH; i++)
        if (from + i * 256 < count) to[from + i * 256].bits = (unsigned short)pack(own[i], 0);
}

// The first of each pair of tensors, what column_sums left of its shares (shares, width), added up in the second (width).
// The tensors' own number is that of the shares.
extern "C" __global__ void __launch_bounds__(256) fold_tensors(const __grid_constant__ Tensors all) {
    int tensor = tensor_of_block(all), shares = (int)all.with[0][tensor];
    size_t width = all.counts[tensor], at = (size_t)(blockIdx.x - all.begins[tensor]) * FOLDED + threadIdx.x;
    if (at >= width) return;
    const float *parts = (const float *)all.at[0][tensor];
    float total = 0;
#pragma unroll 8
    for (int share = 0; share < shares; share++) total += parts[share * width + at];
    ((float *)all.at[1][tensor])[at] = total;
}
