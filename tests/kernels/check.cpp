// The CUDA kernels, thread by thread on the CPU, against plain loops in double precision. With HOPPER defined attention is
// that of Hopper cards.
#include "emulate.h"

#include "../../src/ops/cuda/attention.cu"
#include "../../src/ops/cuda/rows.cu"

typedef std::vector<double> Numbers;

static std::mt19937 random_bits(1);
static int failures = 0;

static Numbers noise(size_t count, double size = 1) {
    std::normal_distribution<double> normal(0, size);
    Numbers x(count);
    for (double &v : x) v = normal(random_bits);
    return x;
}
static std::vector<float> single(Numbers &x) {
    std::vector<float> y(x.begin(), x.end());
    x.assign(y.begin(), y.end());
    return y;
}
// Rounded to bf16; the numbers then are what was kept.
static std::vector<bf16> halves(Numbers &x) {
    std::vector<bf16> y(x.size());
    for (size_t i = 0; i < x.size(); i++) {
        y[i].bits = round_bf16(x[i]);
        x[i] = half_of(y[i].bits, 0);
    }
    return y;
}
static Numbers back(const std::vector<bf16> &x) {
    Numbers y;
    for (bf16 v : x) y.push_back(half_of(v.bits, 0));
    return y;
}
static Numbers back(const std::vector<float> &x) { return Numbers(x.begin(), x.end()); }

static void same(const char *what, const Numbers &found, const Numbers &expected, double bound) {
    double between = 0, all = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        between += (found[i] - expected[i]) * (found[i] - expected[i]);
        all += expected[i] * expected[i];
    }
    double distance = std::sqrt(between / std::max(all, 1e-300));
    bool fails = !(distance <= bound) || found.size() != expected.size();
    failures += fails;
    printf("%s %-40s %.1e (%.0e)\n", fails ? "NO" : "ok", what, distance, bound);
}

static void attention(int batch, int heads, int tokens, int queries) {
    printf("attention: %d clips, %d heads, %d tokens, %d queries\n", batch, heads, tokens, queries);
    const double scale = 1 / 8.0;
    size_t width = (size_t)heads * 64;
    Numbers qkv = noise(batch * tokens * 3 * width, 2), grad = noise(batch * queries * width);
    auto qkv16 = halves(qkv), grad16 = halves(grad);
    auto at = [&](int clip, int token, int part, int head) {
        return (((size_t)clip * tokens + token) * 3 + part) * width + head * 64;
    };
    Numbers out(batch * queries * width), lse(batch * heads * queries), dqkv(qkv.size());
    for (int clip = 0; clip < batch; clip++)
        for (int head = 0; head < heads; head++)
            for (int query = 0; query < queries; query++) {
                const double *q = &qkv[at(clip, query, 0, head)];
                size_t place = (((size_t)clip * queries + query) * heads + head) * 64;
                Numbers share(tokens), towards(tokens);
                double sum = 0, along = 0;
                for (int t = 0; t < tokens; t++) {
                    const double *k = &qkv[at(clip, t, 1, head)], *v = &qkv[at(clip, t, 2, head)];
                    double score = 0;
                    for (int i = 0; i < 64; i++) score += q[i] * k[i], towards[t] += grad[place + i] * v[i];
                    sum += share[t] = std::exp(score * scale);
                }
                lse[((size_t)clip * heads + head) * queries + query] = std::log2(sum);
                for (int t = 0; t < tokens; t++) {
                    share[t] /= sum;
                    along += share[t] * towards[t];
                    for (int i = 0; i < 64; i++) out[place + i] += share[t] * qkv[at(clip, t, 2, head) + i];
                }
                for (int t = 0; t < tokens; t++) {
                    double ds = share[t] * (towards[t] - along) * scale;
                    for (int i = 0; i < 64; i++) {
                        dqkv[at(clip, query, 0, head) + i] += ds * qkv[at(clip, t, 1, head) + i];
                        dqkv[at(clip, t, 1, head) + i] += ds * q[i];
                        dqkv[at(clip, t, 2, head) + i] += share[t] * grad[place + i];
                    }
                }
            }
    // What is not written shows.
    std::vector<bf16> out16(out.size(), bf16{0x7fc0}), dqkv16(qkv.size(), bf16{queries < tokens ? (unsigned short)0 : (unsigned short)0x7fc0});
    std::vector<float> lse32(lse.size(), NAN), delta(lse.size(), NAN);
    dim3 own{unsigned(queries + 127) / 128, (unsigned)heads, (unsigned)batch};
#ifdef HOPPER
    const unsigned threads = 256;
#else
    const unsigned threads = 128;
#endif
    launch(own, threads, [&] {
        attention_forward(qkv16.data(), out16.data(), lse32.data(), tokens, queries, heads, scale * 1.44269504f);
    });
    int rows = batch * queries * heads;
    launch({unsigned(rows + 31) / 32}, 256, [&] { attention_delta(out16.data(), grad16.data(), delta.data(), rows, queries, heads); });
    own.x = unsigned(queries + 63) / 64;
    launch(own, 128, [&] {
        attention_queries_back(qkv16.data(), grad16.data(), lse32.data(), delta.data(), dqkv16.data(), tokens, queries, heads, scale);
    });
    own.x = unsigned(tokens + 63) / 64;
    launch(own, 128, [&] {
        attention_keys_back(qkv16.data(), grad16.data(), lse32.data(), delta.data(), dqkv16.data(), tokens, queries, heads, scale);
    });
    same("result", back(out16), out, 5e-3);
    same("log-sum-exp", back(lse32), lse, 1e-5);
    auto gradients = [&](const Numbers &found) {
        for (int part = 0; part < 3; part++) {
            Numbers a, b;
            for (int clip = 0; clip < batch; clip++)
                for (int token = 0; token < tokens; token++)
                    for (size_t i = 0; i < width; i++) {
                        a.push_back(found[at(clip, token, part, 0) + i]);
                        b.push_back(dqkv[at(clip, token, part, 0) + i]);
                    }
            same(part == 0 ? "queries' gradient" : part == 1 ? "keys' gradient" : "values' gradient", a, b, 1e-2);
        }
    };
    gradients(back(dqkv16));
    // The same by five products: each tile of keys by a block of its own, by twos, and all by one block.
    int of_keys = (tokens + 63) / 64, of_queries = (queries + 63) / 64;
    for (int each : {1, 2, of_keys}) {
        printf("at once, %d tiles of keys a block\n", each);
        int splits = (of_keys + each - 1) / each;
        std::vector<float> parts((size_t)splits * batch * heads * of_queries * 64 * 64, NAN);
        std::vector<bf16> once(qkv.size(), bf16{queries < tokens ? (unsigned short)0 : (unsigned short)0x7fc0});
        launch({unsigned(splits), (unsigned)heads, (unsigned)batch}, 128, [&] {
            attention_back_once(qkv16.data(), grad16.data(), lse32.data(), delta.data(), once.data(), parts.data(), tokens,
                                queries, heads, scale, each);
        });
        launch({unsigned(of_queries), (unsigned)heads, (unsigned)batch}, 128, [&] {
            attention_fold_queries(parts.data(), once.data(), tokens, queries, heads, scale, splits);
        });
        gradients(back(once));
    }
}

#define ROWS(T, KEEP, SUFFIX, BOUND)                                                                                   \
    static void rows_##SUFFIX(int rows, int width) {                                                                  \
        printf("rows in " #SUFFIX ": %d of %d\n", rows, width);                                                       \
        size_t count = (size_t)rows * width;                                                                          \
        Numbers x = noise(count, 3), a = noise(count), b = noise(count), a_bias = noise(width), b_bias = noise(width); \
        Numbers weight = noise(width), bias = noise(width), d = noise(count), grad = noise(count);                    \
        auto x_ = single(x), a_bias_ = single(a_bias), b_bias_ = single(b_bias), weight_ = single(weight);            \
        auto bias_ = single(bias), grad_ = single(grad);                                                              \
        auto a_ = KEEP(a), b_ = KEEP(b), d_ = KEEP(d);                                                                \
        std::vector<float> stream(count, NAN), towards(count, NAN);                                                   \
        std::vector<T> norm(count), rounded(count);                                                                   \
        std::vector<float2> stats(rows);                                                                              \
        dim3 warps{unsigned(rows + 7) / 8};                                                                           \
        launch(warps, 256, [&] {                                                                                      \
            add_norm_##SUFFIX(x_.data(), a_.data(), a_bias_.data(), b_.data(), b_bias_.data(), weight_.data(),        \
                              bias_.data(), stream.data(), norm.data(), stats.data(), rows, width, 1e-6f);            \
        });                                                                                                           \
        launch(warps, 256, [&] {                                                                                      \
            norm_back_##SUFFIX(d_.data(), stream.data(), stats.data(), weight_.data(), grad_.data(),       \
                               towards.data(), rounded.data(), rows, width);                                          \
        });                                                                                                           \
        const int shares = 5;                                                                                         \
        std::vector<float> sums(2 * shares * width, NAN);                                                             \
        launch({unsigned(width + 127) / 128, shares}, 256, [&] {                                                      \
            column_sums_##SUFFIX(d_.data(), stream.data(), stats.data(), sums.data(), &sums[shares * width], rows, width); \
        });                                                                                                           \
        Numbers s(count), n(count), t(count), column(width), along(width);                                      \
        for (int row = 0; row < rows; row++) {                                                                        \
            size_t at = (size_t)row * width;                                                                          \
            double mean = 0, square = 0, h_mean = 0, h_along = 0;                                                     \
            for (int i = 0; i < width; i++) mean += s[at + i] = x[at + i] + a[at + i] + a_bias[i] + b[at + i] + b_bias[i]; \
            mean /= width;                                                                                            \
            for (int i = 0; i < width; i++) square += std::pow(s[at + i] - mean, 2) / width;                          \
            double scale = 1 / std::sqrt(square + 1e-6);                                                              \
            for (int i = 0; i < width; i++) {                                                                         \
                double own = (s[at + i] - mean) * scale, h = d[at + i] * weight[i];                                   \
                n[at + i] = own * weight[i] + bias[i];                                                                \
                h_mean += h / width, h_along += h * own / width;                                                      \
                column[i] += d[at + i], along[i] += d[at + i] * own;                                                  \
            }                                                                                                         \
            for (int i = 0; i < width; i++) {                                                                         \
                double own = (s[at + i] - mean) * scale, h = d[at + i] * weight[i];                                   \
                t[at + i] = grad[at + i] + (h - h_mean - own * h_along) * scale;                                      \
            }                                                                                                         \
        }                                                                                                             \
        std::vector<float> folded(width, NAN), folded_along(width, NAN);                                              \
        Tensors folds = {};                                                                                           \
        unsigned blocks = (width + FOLDED - 1) / FOLDED;                                                              \
        for (int t = 0; t <= TENSORS; t++) folds.begins[t] = std::min(t, 2) * blocks;                                 \
        for (int t = 0; t < 2; t++) {                                                                                 \
            folds.at[0][t] = &sums[t * shares * width], folds.at[1][t] = (t ? folded_along : folded).data();          \
            folds.with[0][t] = shares, folds.counts[t] = width;                                                       \
        }                                                                                                             \
        launch({2 * blocks}, 256, [&] { fold_tensors(folds); });                                                      \
        same("stream", back(stream), s, 1e-6);                                                                        \
        same("norm", back(norm), n, BOUND);                                                                           \
        same("norm's gradient", back(towards), t, 1e-5);                                                              \
        same("the same, rounded", back(rounded), t, BOUND);                                                           \
        same("column sums", back(folded), column, 1e-5);                                                                     \
        same("column sums with the norm", back(folded_along), along, 1e-5);                                                  \
        std::vector<T> out(count), u_ = a_, value(count), g_ = d_;                                                    \
        dim3 fours{unsigned(count / 4 + 255) / 256};                                                                  \
        launch(fours, 256, [&] { gelu_forward_##SUFFIX(u_.data(), a_bias_.data(), out.data(), count, width); });       \
        launch(fours, 256, [&] { gelu_back_##SUFFIX(u_.data(), a_bias_.data(), g_.data(), value.data(), count, width); }); \
        launch(fours, 256, [&] { add_bias_##SUFFIX(u_.data(), a_bias_.data(), count, width); });                       \
        Numbers gelus(count), slopes(count), biased(count);                                                           \
        for (size_t i = 0; i < count; i++) {                                                                          \
            double u = biased[i] = a[i] + a_bias[i % width], share = 0.5 * (1 + std::erf(u / std::sqrt(2.0)));        \
            gelus[i] = u * share;                                                                                     \
            slopes[i] = d[i] * (share + u * std::exp(-u * u / 2) / std::sqrt(2 * M_PI));                              \
        }                                                                                                             \
        same("GELU", back(out), gelus, BOUND);                                                                        \
        same("GELU's gradient", back(g_), slopes, BOUND);                                                             \
        same("GELU again", back(value), gelus, BOUND);                                                                \
        same("bias", back(u_), biased, BOUND);                                                                        \
    }
ROWS(float, single, f32, 1e-5)
ROWS(bf16, halves, bf16, 4e-3)

static void the_rest() {
    printf("patches and tokens\n");
    const int clips = 2, frames = 23, bins = 14, grid0 = 3, grid1 = 4, patch0 = 5, patch1 = 6, stride0 = 4, stride1 = 5;
    Numbers x = noise(clips * frames * bins), expected;
    auto x_ = single(x);
    for (int clip = 0; clip < clips; clip++)
        for (int row = 0; row < grid0; row++)
            for (int column = 0; column < grid1; column++)
                for (int i = 0; i < patch0; i++)
                    for (int j = 0; j < patch1; j++)
                        expected.push_back(x[(clip * frames + column * stride1 + j) * bins + row * stride0 + i]);
    std::vector<float> to(expected.size(), NAN);
    launch({unsigned(to.size() + 255) / 256}, 256, [&] {
        unfold_patches(x_.data(), to.data(), to.size(), frames, bins, grid0, grid1, patch0, patch1, stride0, stride1);
    });
    same("patches", back(to), expected, 0);

    const int patches = 3, width = 8;
    Numbers products = noise(clips * patches * width), bias = noise(width), first = noise(width), second = noise(width);
    Numbers positions = noise((patches + 2) * width), placed;
    auto products_ = single(products), bias_ = single(bias), first_ = single(first), second_ = single(second);
    auto positions_ = single(positions);
    for (int clip = 0; clip < clips; clip++)
        for (int token = 0; token < patches + 2; token++)
            for (int i = 0; i < width; i++) {
                double patch = token < 2 ? 0 : products[(clip * patches + token - 2) * width + i] + bias[i];
                placed.push_back(positions[token * width + i] + (token == 0 ? first[i] : token == 1 ? second[i] : patch));
            }
    std::vector<float> tokens(placed.size(), NAN);
    launch({1}, 256, [&] {
        place_tokens(products_.data(), bias_.data(), first_.data(), second_.data(), positions_.data(), tokens.data(),
                     tokens.size(), patches, width);
    });
    same("tokens", back(tokens), placed, 1e-6);

}

// Three sets of tensors of every size that matters: none, a piece and more, more than one launch takes.
static void many(const std::vector<size_t> &counts) {
    printf("lists of %zu tensors\n", counts.size());
    std::vector<Numbers> w, g, m, v;
    std::vector<std::vector<float>> w_, g_, m_, v_;
    std::vector<std::vector<bf16>> rounded;
    for (size_t count : counts) {
        for (auto all : {&w, &g, &m, &v}) all->push_back(noise(count));
        for (double &second : v.back()) second = std::fabs(second);
        w_.push_back(single(w.back())), g_.push_back(single(g.back()));
        m_.push_back(single(m.back())), v_.push_back(single(v.back()));
        rounded.push_back(std::vector<bf16>(count, bf16{0x7fc0}));
    }
    // The tensors of one launch and its blocks, for pieces of such a size; `at` gives a tensor's addresses.
    auto list = [&](unsigned piece, std::function<void(Tensors &, int)> at) {
        Tensors all = {};
        for (size_t t = 0; t < TENSORS; t++) {
            if (t < counts.size()) at(all, t), all.counts[t] = counts[t];
            all.begins[t + 1] = all.begins[t] + (all.counts[t] + piece - 1) / piece;
        }
        return all;
    };
    const double scale = 0.75, common[] = {0.9, 0.1, 0.99, 0.01, 1.5, 1e-3};
    Tensors summed = list(SUMMED, [&](Tensors &all, int t) { all.at[0][t] = g_[t].data(); });
    std::vector<float> squared(summed.begins[TENSORS], NAN);
    launch({unsigned(squared.size())}, 256, [&] { squares(summed, squared.data()); });
    Tensors stepped = list(PIECE, [&](Tensors &all, int t) {
        float *parts[] = {w_[t].data(), g_[t].data(), m_[t].data(), v_[t].data()};
        for (int part = 0; part < 4; part++) all.at[part][t] = parts[part];
        all.with[0][t] = 1 - 0.01 * t, all.with[1][t] = 0.02 * (t + 1);
    });
    launch({stepped.begins[TENSORS]}, 256, [&] {
        adamw(stepped, scale, common[0], common[1], common[2], common[3], common[4], common[5]);
    });
    Tensors pairs = list(PIECE, [&](Tensors &all, int t) { all.at[0][t] = w_[t].data(), all.at[1][t] = rounded[t].data(); });
    launch({pairs.begins[TENSORS]}, 256, [&] { round_tensors(pairs); });
    Numbers found[4], expected[4];
    double total = 0, all = 0;
    bool rounds = true;
    for (size_t t = 0; t < counts.size(); t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            double gradient = g[t][i] * scale;
            all += g[t][i] * g[t][i];
            m[t][i] = common[0] * m[t][i] + common[1] * gradient;
            v[t][i] = common[2] * v[t][i] + common[3] * gradient * gradient;
            w[t][i] = (1 - 0.01 * t) * w[t][i] - 0.02 * (t + 1) * m[t][i] / (common[4] * std::sqrt(v[t][i]) + common[5]);
            rounds &= rounded[t][i].bits == round_bf16(w_[t][i]);
            found[3].push_back(g_[t][i]), expected[3].push_back(g[t][i]);
            found[0].push_back(w_[t][i]), expected[0].push_back(w[t][i]);
            found[1].push_back(m_[t][i]), expected[1].push_back(m[t][i]);
            found[2].push_back(v_[t][i]), expected[2].push_back(v[t][i]);
        }
    }
    for (float part : squared) total += part;
    same("sum of squares", {total}, {all}, 1e-6);
    same("weights", found[0], expected[0], 1e-6);
    same("first moments", found[1], expected[1], 1e-6);
    same("second moments", found[2], expected[2], 1e-6);
    same("gradients, which stay", found[3], expected[3], 0);
    same("rounded weights", {double(rounds)}, {1}, 0);
}

int main() {
    // One tile and less, several with a rest, more than a block owns; queries that are a part of the tokens.
    attention(1, 1, 5, 5);
    attention(2, 3, 150, 150);
    attention(1, 2, 290, 2);
#ifndef HOPPER
    rows_f32(11, 20);
    rows_f32(3, 1024);
    rows_bf16(29, 192);
    rows_bf16(3, 768);
    the_rest();
    many({1});
    many({0, 5, PIECE, 0, PIECE + 1, 3 * PIECE - 1, SUMMED + 7, 2, 0});
    many(std::vector<size_t>(TENSORS, 300));
#endif
    printf(failures ? "%d disagree\n" : "all agree\n", failures);
    return failures > 0;
}
