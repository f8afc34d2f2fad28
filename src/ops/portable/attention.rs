//! Attention that keeps no scores: queries, keys and values, the result and one number for each query, from which the
//! backward pass computes probabilities again (Dao et al., arXiv 2205.14135). Both passes go by chunks, so that
//! the scores in memory are few whatever the batch.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

use super::graft;

/// Scores in memory at once, 64 MiB in single precision. A pass has about four arrays of that size alive.
const SCORES: usize = 1 << 24;

/// softmax(q k^T / sqrt(size)) v for q (batch, heads, queries, size), k and v (batch, heads, tokens, size): of q's shape.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    attention_within(SCORES, q, k, v)
}

/// The same with at most this many scores in memory at once, but at least one query's.
fn attention_within(scores: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (batch, heads, asking, size) = q.dims4()?;
    let of_heads = move |t: &Tensor| t.detach().contiguous()?.reshape((batch * heads, t.dim(2)?, size));
    let scale = (size as f64).powf(-0.5);
    let (queries, keys, values) = ((of_heads(q)? * scale)?, of_heads(k)?, of_heads(v)?);
    let chunks = Chunks::new(batch * heads, [asking, k.dim(2)?], scores);
    let key_shape = k.shape().clone();
    let (mut mixed, mut sums) = (Vec::new(), Vec::new());
    for heads in chunks.heads() {
        let [keys, values] = [&keys, &values].map(|t| part(t, 0, &heads));
        let (keys, values) = (keys?.transpose(1, 2)?, values?);
        let queries = part(&queries, 0, &heads)?;
        for rows in chunks.rows() {
            let scores = part(&queries, 1, &rows)?.matmul(&keys)?;
            let most = scores.max_keepdim(D::Minus1)?;
            let raised = scores.broadcast_sub(&most)?.exp()?;
            let sum = raised.sum_keepdim(D::Minus1)?;
            mixed.push(raised.matmul(&values)?.broadcast_div(&sum)?);
            // Not the sum itself, which may be too large to be a number without `most` taken away.
            sums.push((sum.log()? + most)?);
        }
    }
    let value = chunks.join(mixed)?.reshape(q.shape())?;
    let sums = chunks.join(sums)?;
    graft("attention", &[q, k, v], value, move |grad, wanted| {
        let (shape, grad, value) = (grad.shape(), of_heads(grad)?, of_heads(&wanted.value())?);
        // What softmax takes off each row of the scores' gradient.
        let along = (&grad * value)?.sum_keepdim(D::Minus1)?;
        let mut gradients = [Vec::new(), Vec::new(), Vec::new()];
        for heads in chunks.heads() {
            let [queries, keys, values] = [&queries, &keys, &values].map(|t| part(t, 0, &heads));
            let [grad, along, sums] = [&grad, &along, &sums].map(|t| part(t, 0, &heads));
            let (queries, keys, values, grad, along, sums) = (queries?, keys?, values?, grad?, along?, sums?);
            let mut of_keys: [Option<Tensor>; 2] = [None, None];
            for rows in chunks.rows() {
                let (queries, grad) = (part(&queries, 1, &rows)?, part(&grad, 1, &rows)?);
                let scores = queries.matmul(&keys.transpose(1, 2)?)?;
                let shares = scores.broadcast_sub(&part(&sums, 1, &rows)?)?.exp()?;
                if wanted.has(2) {
                    add(&mut of_keys[1], shares.transpose(1, 2)?.matmul(&grad)?)?;
                }
                if wanted.has(0) || wanted.has(1) {
                    let towards = grad.matmul(&values.transpose(1, 2)?)?;
                    let towards = (shares * towards.broadcast_sub(&part(&along, 1, &rows)?)?)?;
                    if wanted.has(0) {
                        gradients[0].push((towards.matmul(&keys)? * scale)?);
                    }
                    if wanted.has(1) {
                        add(&mut of_keys[0], towards.transpose(1, 2)?.matmul(&queries)?)?;
                    }
                }
            }
            let [of_keys, of_values] = of_keys;
            gradients[1].extend(of_keys);
            gradients[2].extend(of_values);
        }
        let [of_queries, of_keys, of_values] = gradients;
        let queries = wanted.has(0).then(|| chunks.join(of_queries)?.reshape(shape));
        let others = [(1, of_keys), (2, of_values)].into_iter().filter(|(place, _)| wanted.has(*place));
        queries.into_iter().chain(others.map(|(_, parts)| Tensor::cat(&parts, 0)?.reshape(&key_shape))).collect()
    })
}

/// How the heads of a batch are gone through: some whole heads at a time, or some queries of one.
struct Chunks {
    heads: [usize; 2],
    rows: [usize; 2],
}

impl Chunks {
    fn new(heads: usize, [queries, keys]: [usize; 2], scores: usize) -> Self {
        let at_once = (scores / (queries * keys).max(1)).max(1);
        let rows = if at_once > 1 { queries } else { (scores / keys.max(1)).clamp(1, queries.max(1)) };
        Self { heads: [heads, at_once], rows: [queries, rows] }
    }

    fn heads(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        ranges(self.heads)
    }

    fn rows(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        ranges(self.rows)
    }

    /// One tensor (heads, tokens, ..) of the parts in the order they were gone through.
    fn join(&self, parts: Vec<Tensor>) -> Result<Tensor> {
        let whole = parts.chunks(self.rows().count().max(1)).map(|rows| Tensor::cat(rows, 1));
        Tensor::cat(&whole.collect::<Result<Vec<_>>>()?, 0)
    }
}

fn ranges([all, at_once]: [usize; 2]) -> impl Iterator<Item = Range<usize>> {
    (0..all).step_by(at_once).map(move |from| from..(from + at_once).min(all))
}

/// Part of one axis, in memory of its own only where it would have gaps.
fn part(t: &Tensor, axis: usize, range: &Range<usize>) -> Result<Tensor> {
    t.narrow(axis, range.start, range.len())?.contiguous()
}

fn add(sum: &mut Option<Tensor>, more: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + more)?,
        None => more,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Var;

    use super::*;
    use crate::ops::portable::{
        check::{gradients_are_right, noise},
        softmax,
    };

    /// Bounds that leave everything in one piece, take heads by twos, and take single rows of single heads.
    const BOUNDS: [usize; 5] = [SCORES, 2 * 5 * 5, 7 * 5, 2 * 5, 1];

    fn inputs() -> [Var; 3] {
        [1, 2, 3].map(|seed| noise(&[2, 3, 5, 4], seed))
    }

    /// What it is, with every score in memory.
    fn plain(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let scores = (q.matmul(&k.t().unwrap().contiguous().unwrap()).unwrap() * 0.5).unwrap();
        softmax(&scores).unwrap().matmul(v).unwrap()
    }

    #[test]
    fn gradients() {
        for scores in BOUNDS {
            gradients_are_right(&inputs(), |t| attention_within(scores, &t[0], &t[1], &t[2]));
        }
    }

    #[test]
    fn is_the_plain_form_whatever_the_chunks() {
        let [q, k, v] = inputs();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let of = |t: Tensor| {
            let found = t.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&q, &k, &v].map(|x| values(found.get(x).unwrap())).into_iter().chain([values(&t)]).collect::<Vec<_>>()
        };
        let expected = of(plain(&q, &k, &v));
        for scores in BOUNDS {
            let found = of(attention_within(scores, &q, &k, &v).unwrap());
            for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((a - b).abs() < 1e-12, "{a} {b} within {scores}");
            }
        }
    }

    /// Fewer queries than keys are the first rows of all of them.
    #[test]
    fn few_queries_are_the_first_of_all() {
        let [q, k, v] = inputs();
        let few = q.narrow(2, 0, 2).unwrap().contiguous().unwrap();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let all = plain(&q, &k, &v).narrow(2, 0, 2).unwrap();
        let expected = all.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for scores in BOUNDS {
            let found = attention_within(scores, &few, &k, &v).unwrap();
            let gradients = found.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let of = |found: &Tensor, expected: &Tensor| {
                let pairs = values(found).into_iter().zip(values(expected));
                pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            assert!(of(&found, &all) < 1e-12);
            for var in [&q, &k, &v] {
                assert!(of(gradients.get(var).unwrap(), expected.get(var).unwrap()) < 1e-12, "within {scores}");
            }
        }
    }

    /// Any of the three may be frozen: the others' gradients stay the same.
    #[test]
    fn what_is_frozen_is_left_out() {
        let all = inputs();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let found = |trains: [bool; 3]| {
            let t: Vec<Tensor> = (0..3)
                .map(|i| if trains[i] { all[i].as_tensor().clone() } else { all[i].as_detached_tensor() })
                .collect();
            let result = attention_within(30, &t[0], &t[1], &t[2]).unwrap();
            let gradients = result.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            all.clone().map(|var| gradients.get(&var).map(values))
        };
        let whole = found([true; 3]);
        for some in 1..7 {
            let trains = [0, 1, 2].map(|i| some >> i & 1 == 1);
            for ((found, whole), trains) in found(trains).into_iter().zip(&whole).zip(trains) {
                assert_eq!(found.as_ref(), whole.as_ref().filter(|_| trains));
            }
        }
    }

    #[test]
    fn scores_far_from_zero_stay_numbers() {
        let [q, k, v] = inputs().map(|t| (t.to_dtype(candle_core::DType::F32).unwrap() * 1e3).unwrap());
        let mixed = attention(&q, &k, &v).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(mixed.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn chunks_cover_everything_and_keep_within_bounds() {
        for (heads, tokens, scores) in [(6, 5, 50), (6, 5, 7), (1, 1, 1), (144, 1214, SCORES), (3, 9000, SCORES)] {
            let chunks = Chunks::new(heads, [tokens; 2], scores);
            assert_eq!(chunks.heads().map(|range| range.len()).sum::<usize>(), heads);
            assert_eq!(chunks.rows().map(|range| range.len()).sum::<usize>(), tokens);
            assert!(chunks.heads[1] * chunks.rows[1] * tokens <= scores.max(tokens));
        }
    }
}
