//! Attention by candle's operations that stores no scores: it saves queries, keys and values, the result and one number
//! for each query, from which the backward pass recomputes probabilities (Dao et al., arXiv 2205.14135). Both passes
//! work in chunks, so that few scores are in memory whatever the batch.

use std::ops::Range;

use candle_core::{D, Result, Tensor};

/// Scores in memory at once, 64 MiB in single precision. A pass has about four arrays of that size alive.
pub(super) const SCORES: usize = 1 << 24;

/// softmax(q k^T / sqrt(size)) v of q (heads, queries, size), k and v (heads, tokens, size), with at most so many
/// scores in memory, but at least one query's. Returns a tensor of q's shape and each query's log-sum-exp, (heads,
/// queries, 1).
pub(super) fn forward([q, k, v]: &[Tensor; 3], scores: usize) -> Result<(Tensor, Tensor)> {
    let chunks = Chunks::of(q, k, scores)?;
    let scale = scale(q)?;
    let (mut mixed, mut sums) = (Vec::new(), Vec::new());
    for heads in chunks.heads() {
        let (queries, keys, values) = ((part(q, 0, &heads)? * scale)?, part(k, 0, &heads)?, part(v, 0, &heads)?);
        let keys = keys.transpose(1, 2)?;
        for rows in chunks.rows() {
            let scores = part(&queries, 1, &rows)?.matmul(&keys)?;
            let most = scores.max_keepdim(D::Minus1)?;
            let raised = scores.broadcast_sub(&most)?.exp()?;
            let sum = raised.sum_keepdim(D::Minus1)?;
            mixed.push(raised.matmul(&values)?.broadcast_div(&sum)?);
            // Not the sum itself, which may overflow unless `most` is subtracted.
            sums.push((sum.log()? + most)?);
        }
    }
    Ok((chunks.join(mixed)?, chunks.join(sums)?))
}

/// The gradients of q, k and v from `grad`, that of [`forward`]'s result.
pub(super) fn backward(
    [q, k, v]: &[Tensor; 3],
    [out, sums]: [&Tensor; 2],
    grad: &Tensor,
    scores: usize,
) -> Result<[Tensor; 3]> {
    let chunks = Chunks::of(q, k, scores)?;
    let scale = scale(q)?;
    // What softmax subtracts from each row of the scores' gradient.
    let along = (grad * out)?.sum_keepdim(D::Minus1)?;
    let mut gradients = [Vec::new(), Vec::new(), Vec::new()];
    for heads in chunks.heads() {
        let [queries, keys, values] = [q, k, v].map(|t| part(t, 0, &heads));
        let [grad, along, sums] = [grad, &along, sums].map(|t| part(t, 0, &heads));
        let (queries, keys, values, grad, along, sums) = ((queries? * scale)?, keys?, values?, grad?, along?, sums?);
        let mut of_keys: [Option<Tensor>; 2] = [None, None];
        for rows in chunks.rows() {
            let (queries, grad) = (part(&queries, 1, &rows)?, part(&grad, 1, &rows)?);
            let scores = queries.matmul(&keys.transpose(1, 2)?)?;
            let shares = scores.broadcast_sub(&part(&sums, 1, &rows)?)?.exp()?;
            add(&mut of_keys[1], shares.transpose(1, 2)?.matmul(&grad)?)?;
            let towards = grad.matmul(&values.transpose(1, 2)?)?;
            let towards = (shares * towards.broadcast_sub(&part(&along, 1, &rows)?)?)?;
            gradients[0].push((towards.matmul(&keys)? * scale)?);
            add(&mut of_keys[0], towards.transpose(1, 2)?.matmul(&queries)?)?;
        }
        let [of_keys, of_values] = of_keys;
        gradients[1].extend(of_keys);
        gradients[2].extend(of_values);
    }
    let [of_queries, of_keys, of_values] = gradients;
    Ok([chunks.join(of_queries)?, Tensor::cat(&of_keys, 0)?, Tensor::cat(&of_values, 0)?])
}

fn scale(q: &Tensor) -> Result<f64> {
    Ok((q.dim(2)? as f64).powf(-0.5))
}

/// The chunks of heads: some whole ones at a time, or some queries of one.
struct Chunks {
    heads: [usize; 2],
    rows: [usize; 2],
}

impl Chunks {
    fn of(q: &Tensor, k: &Tensor, scores: usize) -> Result<Self> {
        Ok(Self::new(q.dim(0)?, [q.dim(1)?, k.dim(1)?], scores))
    }

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

    /// One tensor (heads, queries, ..) of the chunks in order.
    fn join(&self, parts: Vec<Tensor>) -> Result<Tensor> {
        let whole = parts.chunks(self.rows().count().max(1)).map(|rows| Tensor::cat(rows, 1));
        Tensor::cat(&whole.collect::<Result<Vec<_>>>()?, 0)
    }
}

fn ranges([all, at_once]: [usize; 2]) -> impl Iterator<Item = Range<usize>> {
    (0..all).step_by(at_once).map(move |from| from..(from + at_once).min(all))
}

/// A part of one axis; copied only where it would not be contiguous.
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
    use crate::ops::fused::tests::{noise, values};

    /// Bounds for everything in one chunk, for heads by twos, and for single rows of single heads.
    const BOUNDS: [usize; 5] = [SCORES, 2 * 5 * 5, 7 * 5, 2 * 5, 1];

    fn inputs(queries: usize) -> [Var; 3] {
        let [q, k, v] = [1, 2, 3].map(|seed| noise(&[6, 5, 4], seed));
        [Var::from_tensor(&q.narrow(1, 0, queries).unwrap()).unwrap(), k, v]
    }

    /// The definition, with every score in memory, by candle's graph; for all and for the first of the queries.
    #[test]
    fn is_the_plain_form_whatever_the_chunks() {
        for queries in [5, 2] {
            let [q, k, v] = inputs(queries);
            let scores = (q.matmul(&k.t().unwrap().contiguous().unwrap()).unwrap() * 0.5).unwrap();
            let raised = scores.exp().unwrap();
            let shares = raised.broadcast_div(&raised.sum_keepdim(D::Minus1).unwrap()).unwrap();
            let plain = shares.matmul(&v).unwrap();
            let grad = noise(&[6, queries, 4], 9).as_detached_tensor();
            let graph = (&plain * &grad).unwrap().sum_all().unwrap().backward().unwrap();
            let inputs = [&q, &k, &v].map(Var::as_detached_tensor);
            for bound in BOUNDS {
                let (out, sums) = forward(&inputs, bound).unwrap();
                let found = backward(&inputs, [&out, &sums], &grad, bound).unwrap();
                let expected = [&q, &k, &v].map(|var| graph.get(var).unwrap().clone());
                for (a, b) in [out].iter().chain(&found).zip([plain.detach()].iter().chain(&expected)) {
                    let apart = values(a).into_iter().zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(apart < 1e-12, "{apart} within {bound}");
                }
            }
        }
    }

    #[test]
    fn scores_far_from_zero_stay_numbers() {
        let inputs = inputs(5).map(|t| (t.to_dtype(candle_core::DType::F32).unwrap() * 1e3).unwrap());
        let (mixed, sums) = forward(&inputs, SCORES).unwrap();
        assert!(values(&mixed).into_iter().chain(values(&sums)).all(f64::is_finite));
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
