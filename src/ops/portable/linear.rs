//! x W^T + b, whose backward pass multiplies only for what trains.

use std::cell::Cell;

use candle_core::{D, DType, Result, Tensor};

use super::graft;

/// x (.., in) times `weight` (out, in) transposed, plus `bias` (out): (.., out).
///
/// With g the gradient of the result, the backward pass computes g W only if something before x trains, and g^T x
/// only if the weight does.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    linear_in(x.dtype(), x, weight, bias)
}

/// As [`linear`], with every product, forward and backward, of operands rounded to `product`: what is added up, what
/// comes in and what goes out stays of x's type.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn linear_in(product: DType, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, input) = weight.dims2()?;
    let rows = x.elem_count() / input.max(1);
    let each = (rows * input * out) as u64;
    let dtype = x.dtype();
    let flat = x.detach().reshape((rows, input))?.to_dtype(product)?;
    let w = weight.detach().to_dtype(product)?;
    Multiplications::add(|count| count.forward += each);
    let mut value = flat.matmul(&w.t()?)?.to_dtype(dtype)?;
    if let Some(bias) = bias {
        value = value.broadcast_add(&bias.detach())?;
    }
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let value = value.reshape(shape)?;
    let x_shape = x.shape().clone();
    // A frozen weight needs no input to be kept for it.
    let flat = weight.track_op().then_some(flat);
    let backward = move |grad: &Tensor, wanted: super::graft::Wanted<'_>| {
        let grad = grad.reshape((rows, out))?;
        let rounded = grad.to_dtype(product)?;
        let mut gradients = Vec::with_capacity(3);
        if wanted.has(0) {
            Multiplications::add(|count| count.input_gradient += each);
            gradients.push(rounded.matmul(&w)?.to_dtype(dtype)?.reshape(&x_shape)?);
        }
        if let Some(flat) = flat.as_ref().filter(|_| wanted.has(1)) {
            Multiplications::add(|count| count.weight_gradient += each);
            gradients.push(rounded.t()?.matmul(flat)?.to_dtype(dtype)?);
        }
        if wanted.has(2) {
            gradients.push(grad.sum(D::Minus2)?);
        }
        Ok(gradients)
    };
    match bias {
        Some(bias) => graft("linear", &[x, weight, bias], value, backward),
        None => graft("linear", &[x, weight], value, backward),
    }
}

/// Scalar multiplications of this thread's linear layers: the evidence that frozen weights cost no gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Multiplications {
    /// Of x W^T.
    pub forward: u64,
    /// Of g W.
    pub input_gradient: u64,
    /// Of g^T x.
    pub weight_gradient: u64,
}

thread_local! {
    static COUNT: Cell<Multiplications> = const {
        Cell::new(Multiplications { forward: 0, input_gradient: 0, weight_gradient: 0 })
    };
}

impl Multiplications {
    /// The count since the last call on this thread, which starts again at zero.
    pub fn take() -> Self {
        COUNT.take()
    }

    fn add(change: impl FnOnce(&mut Self)) {
        let mut count = COUNT.get();
        change(&mut count);
        COUNT.set(count);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ops::portable::check::{gradients_are_right, noise};

    #[test]
    fn gradients() {
        gradients_are_right(&[noise(&[2, 3, 4], 1), noise(&[5, 4], 2), noise(&[5], 3)], |inputs| {
            linear(&inputs[0], &inputs[1], Some(&inputs[2]))
        });
        gradients_are_right(&[noise(&[3, 4], 1), noise(&[5, 4], 2)], |inputs| linear(&inputs[0], &inputs[1], None));
    }

    /// Products in bf16 are those of rounded operands, rounded once more; sums over rows and the bias are not.
    #[test]
    fn products_in_bf16_are_products_of_rounded_operands() {
        let [x, w, b, g] = [(&[6, 4][..], 1), (&[5, 4], 2), (&[5], 3), (&[6, 5], 4)]
            .map(|(shape, seed)| noise(shape, seed).to_dtype(DType::F32).unwrap());
        let round = |t: &Tensor| t.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
        let [x, w, b] = [x, w, b].map(|t| candle_core::Var::from_tensor(&t).unwrap());
        let y = linear_in(DType::BF16, &x, &w, Some(&b)).unwrap();
        let gradients = (&y * &g).unwrap().sum_all().unwrap().backward().unwrap();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (rx, rw, rg) = (round(&x), round(&w), round(&g));
        let product = |a: &Tensor, b: &Tensor| round(&a.matmul(b).unwrap());
        let expected = product(&rx, &rw.t().unwrap()).broadcast_add(&b).unwrap();
        assert_eq!(y.dtype(), DType::F32);
        assert_eq!(values(&y), values(&expected));
        assert_eq!(values(gradients.get(&x).unwrap()), values(&product(&rg, &rw)));
        assert_eq!(values(gradients.get(&w).unwrap()), values(&product(&rg.t().unwrap(), &rx)));
        assert_eq!(values(gradients.get(&b).unwrap()), values(&g.sum(0).unwrap()));
    }

    #[test]
    fn frozen_operands_cost_nothing() {
        let (x, w, b) = (noise(&[2, 3, 4], 1), noise(&[5, 4], 2), noise(&[5], 3));
        let mult = 2 * 3 * 4 * 5;
        for (trains, input_gradient, weight_gradient) in
            [([true, false, false], mult, 0), ([false, true, false], 0, mult), ([false, false, true], 0, 0)]
        {
            let of = |i: usize| {
                if trains[i] { [&x, &w, &b][i].as_tensor().clone() } else { [&x, &w, &b][i].as_detached_tensor() }
            };
            Multiplications::take();
            linear(&of(0), &of(1), Some(&of(2))).unwrap().sum_all().unwrap().backward().unwrap();
            assert_eq!(Multiplications::take(), Multiplications { forward: mult, input_gradient, weight_gradient });
        }
        let frozen = linear(&x.as_detached_tensor(), &w.as_detached_tensor(), None).unwrap();
        assert!(!frozen.track_op());
    }
}
