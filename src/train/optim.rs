//! AdamW over a store's trainable parameters, in place, with moments that can be saved in a checkpoint.

use std::{borrow::Cow, cell::RefCell};

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var, bail};

use crate::{
    model::{ModelError, ParamSpec, ParamStore},
    ops::{
        adamw::{self, Coefficients},
        fused::{self, Stepped},
        parallel,
    },
};

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101) with PyTorch's defaults.
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    /// Updates done.
    step: u64,
    /// One for each trainable parameter, in the store's order.
    moments: Vec<Moments>,
}

/// Running means of one parameter's gradient and squared gradient.
enum Moments {
    /// Beside a parameter in main memory.
    Host { first: Vec<f32>, second: Vec<f32> },
    /// Beside a parameter on a device.
    Device { first: Tensor, second: Tensor },
}

impl Moments {
    fn values(&self) -> Result<[Cow<'_, [f32]>; 2], ModelError> {
        Ok(match self {
            Self::Host { first, second } => [first.into(), second.into()],
            Self::Device { first, second } => [to_vec(first)?.into(), to_vec(second)?.into()],
        })
    }
}

impl AdamW {
    /// An optimizer before its first step.
    ///
    /// # Errors
    /// When the device cannot hold the moments.
    pub fn new(store: &ParamStore, weight_decay: f64) -> Result<Self, ModelError> {
        let moments = store
            .trainable()
            .map(|(spec, var)| {
                Ok(if store.device().is_cpu() {
                    Moments::Host { first: vec![0.0; spec.count()], second: vec![0.0; spec.count()] }
                } else {
                    Moments::Device { first: var.zeros_like()?.detach(), second: var.zeros_like()?.detach() }
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay, step: 0, moments })
    }

    /// Moves every trainable parameter by one step along `scale` times its gradient (clipping's factor, else 1).
    /// `gradients` and the store's trainable parameters are in one order; `lr` gives each parameter's learning rate.
    ///
    /// # Errors
    /// When numbers or shapes differ, or the device fails.
    pub fn update(
        &mut self,
        store: &ParamStore,
        gradients: &[Tensor],
        scale: f64,
        lr: impl Fn(&ParamSpec) -> f64,
    ) -> Result<(), ModelError> {
        if gradients.len() != self.moments.len() {
            let problem = format!("{} gradients for {} trainable parameters", gradients.len(), self.moments.len());
            return Err(ModelError::Shape(problem));
        }
        self.step += 1;
        let updates: Vec<_> = store.trainable().map(|(spec, _)| self.coefficients(lr(spec))).collect();
        if fused::adamw(&self.stepped(store, gradients, &updates), scale)? {
            return Ok(());
        }
        let all = store.trainable().zip(gradients).zip(updates).zip(&mut self.moments);
        for ((((_, var), gradient), update), moments) in all {
            let gradient = match scale {
                1.0 => gradient.detach(),
                _ => gradient.affine(scale, 0.0)?.detach(),
            };
            match moments {
                Moments::Host { first, second } => {
                    let op = InPlace { update, moments: RefCell::new((first, second)) };
                    var.inplace_op2(&gradient.contiguous()?, &op)?;
                }
                Moments::Device { first, second } => on_device(update, var, &gradient, first, second)?,
            }
        }
        Ok(())
    }

    /// This step's multipliers for a parameter of this learning rate.
    fn coefficients(&self, lr: f64) -> Coefficients {
        let Self { beta1, beta2, eps, weight_decay, step, .. } = *self;
        Coefficients::from(adamw::AdamW { lr, beta1, beta2, eps, weight_decay, step })
    }

    /// The steps of the parameters whose moments are on a device.
    fn stepped<'a>(
        &'a self,
        store: &'a ParamStore,
        gradients: &'a [Tensor],
        updates: &[Coefficients],
    ) -> Vec<Stepped<'a>> {
        let all = store.trainable().zip(gradients).zip(updates).zip(&self.moments);
        all.filter_map(|((((_, var), gradient), &update), moments)| match moments {
            Moments::Device { first, second } => {
                Some(Stepped { weights: var.as_tensor(), gradient, moments: [first, second], update })
            }
            Moments::Host { .. } => None,
        })
        .collect()
    }

    /// Counts a skipped update, so that a resumed run counts the same.
    pub(super) fn skip(&mut self) {
        self.step += 1;
    }

    /// Updates done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Bytes that the moments take.
    pub fn bytes(&self) -> u64 {
        let scalars = self.moments.iter().map(|moments| match moments {
            Moments::Host { first, second } => first.len() + second.len(),
            Moments::Device { first, second } => first.elem_count() + second.elem_count(),
        });
        4 * scalars.sum::<usize>() as u64
    }

    /// First and second moment of every trainable parameter, in the store's order; copied only from a device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn moments(&self) -> Result<Vec<[Cow<'_, [f32]>; 2]>, ModelError> {
        self.moments.iter().map(Moments::values).collect()
    }

    /// Restores the moments and the number of updates from a checkpoint.
    ///
    /// # Errors
    /// When numbers or shapes differ, or the device fails.
    pub fn restore(&mut self, step: u64, kept: Vec<[Vec<f32>; 2]>) -> Result<(), ModelError> {
        if kept.len() != self.moments.len() {
            let problem = format!("{} moments for {} trainable parameters", kept.len(), self.moments.len());
            return Err(ModelError::Shape(problem));
        }
        for (own, [new_first, new_second]) in self.moments.iter_mut().zip(kept) {
            match own {
                Moments::Host { first, second } => {
                    if first.len() != new_first.len() || second.len() != new_second.len() {
                        return Err(ModelError::Shape("kept moments are of another size".to_owned()));
                    }
                    (*first, *second) = (new_first, new_second);
                }
                Moments::Device { first, second } => {
                    *first = Tensor::from_vec(new_first, first.shape(), first.device())?;
                    *second = Tensor::from_vec(new_second, second.shape(), second.device())?;
                }
            }
        }
        self.step = step;
        Ok(())
    }
}

fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// One step of one parameter that lives on a device.
fn on_device(
    update: Coefficients,
    var: &Var,
    gradient: &Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
) -> Result<(), ModelError> {
    let Coefficients { beta1, beta2, rate, unbias2, keep, eps } = update;
    let [beta1, new1, beta2, new2] = [beta1[0], beta1[1], beta2[0], beta2[1]].map(f64::from);
    *first = (first.affine(beta1, 0.0)? + gradient.affine(new1, 0.0)?)?;
    *second = (second.affine(beta2, 0.0)? + gradient.sqr()?.affine(new2, 0.0)?)?;
    let direction = (&*first / second.sqrt()?.affine(f64::from(unbias2), f64::from(eps))?)?;
    let weights = var.as_detached_tensor().affine(f64::from(keep), 0.0)?;
    Ok(var.set(&(weights - direction.affine(f64::from(rate), 0.0)?)?)?)
}

/// The update as candle's operation, so that a variable changes where it is.
struct InPlace<'a> {
    update: Coefficients,
    moments: RefCell<(&'a mut Vec<f32>, &'a mut Vec<f32>)>,
}

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        weights_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (Some(to), Some(from)) = (weights_layout.contiguous_offsets(), gradient_layout.contiguous_offsets()) else {
            bail!("adamw needs contiguous tensors");
        };
        let (CpuStorage::F32(weights), CpuStorage::F32(gradient)) = (weights, gradient) else {
            bail!("adamw is for f32");
        };
        let (first, second) = &mut *self.moments.borrow_mut();
        if to.1 - to.0 != first.len() || from.1 - from.0 != first.len() {
            bail!("adamw: {} weights, {} gradients, {} moments", to.1 - to.0, from.1 - from.0, first.len());
        }
        let (weights, gradient) = (&mut weights[to.0..to.1], &gradient[from.0..from.1]);
        let update = self.update;
        parallel::install(|| adamw::update(weights, gradient, first, second, update));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;
    use crate::model::{Init, Part};

    fn store(values: &[f32]) -> ParamStore {
        let spec = |name: &str, trains| ParamSpec {
            name: name.to_owned(),
            shape: vec![values.len()],
            part: Part::Head,
            block: None,
            trains,
            init: Init::Zeros,
        };
        let var = || Var::from_slice(values, values.len(), &Device::Cpu).unwrap();
        ParamStore::new(vec![spec("frozen", false), spec("weight", true)], vec![var(), var()], Device::Cpu).unwrap()
    }

    fn weight(store: &ParamStore) -> Vec<f32> {
        to_vec(store.get("weight").unwrap()).unwrap()
    }

    fn gradient(step: u64) -> Tensor {
        let values: Vec<f32> = (0..3).map(|i| ((i + 1) as f32 * step as f32).sin()).collect();
        Tensor::from_vec(values, 3, &Device::Cpu).unwrap()
    }

    /// The weights after 5 steps of `torch.optim.AdamW([w], lr=0.1, weight_decay=0.05)` (torch 2.11) from
    /// (1, -2, 0.5) along sin((i + 1) step).
    const TORCH: [f32; 3] = [0.676_451_9, -2.075_178_6, 0.392_607_24];

    #[test]
    fn five_steps_are_torchs_and_what_is_frozen_stays() {
        let store = store(&[1.0, -2.0, 0.5]);
        let mut optimizer = AdamW::new(&store, 0.05).unwrap();
        for step in 1..=5 {
            optimizer.update(&store, &[gradient(step)], 1.0, |_| 0.1).unwrap();
        }
        for (ours, theirs) in weight(&store).iter().zip(TORCH) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        assert_eq!(to_vec(store.get("frozen").unwrap()).unwrap(), [1.0, -2.0, 0.5]);
        assert_eq!(optimizer.bytes(), 24);
    }

    #[test]
    fn the_device_path_takes_the_same_steps() {
        let (host, device) = (store(&[1.0, -2.0, 0.5]), store(&[1.0, -2.0, 0.5]));
        let mut on_host = AdamW::new(&host, 0.05).unwrap();
        let mut on_device = AdamW::new(&device, 0.05).unwrap();
        let zeros = || Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        on_device.moments = vec![Moments::Device { first: zeros(), second: zeros() }];
        for step in 1..=5 {
            on_host.update(&host, &[gradient(step)], 1.0, |_| 0.1).unwrap();
            on_device.update(&device, &[gradient(step)], 1.0, |_| 0.1).unwrap();
        }
        for (a, b) in weight(&host).iter().zip(weight(&device)) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_scaled_step_is_one_along_scaled_gradients_to_the_bit() {
        let (scaled, plain) = (store(&[1.0, -2.0, 0.5]), store(&[1.0, -2.0, 0.5]));
        let mut first = AdamW::new(&scaled, 0.05).unwrap();
        let mut second = AdamW::new(&plain, 0.05).unwrap();
        for step in 1..=3 {
            first.update(&scaled, &[gradient(step)], 0.3, |_| 0.1).unwrap();
            second.update(&plain, &[gradient(step).affine(0.3, 0.0).unwrap()], 1.0, |_| 0.1).unwrap();
        }
        assert_eq!(weight(&scaled), weight(&plain));
    }

    #[test]
    fn restored_moments_go_on_to_the_bit() {
        let (whole, parts) = (store(&[1.0, -2.0, 0.5]), store(&[1.0, -2.0, 0.5]));
        let mut optimizer = AdamW::new(&whole, 0.05).unwrap();
        (1..=6).for_each(|step| optimizer.update(&whole, &[gradient(step)], 1.0, |_| 0.1).unwrap());
        let mut first = AdamW::new(&parts, 0.05).unwrap();
        (1..=3).for_each(|step| first.update(&parts, &[gradient(step)], 1.0, |_| 0.1).unwrap());
        let mut second = AdamW::new(&parts, 0.05).unwrap();
        let kept = first.moments().unwrap().into_iter().map(|pair| pair.map(Cow::into_owned)).collect();
        second.restore(first.step(), kept).unwrap();
        (4..=6).for_each(|step| second.update(&parts, &[gradient(step)], 1.0, |_| 0.1).unwrap());
        assert_eq!(weight(&whole), weight(&parts));
    }

    #[test]
    fn a_gradient_too_few_is_an_error() {
        let store = store(&[1.0]);
        assert!(AdamW::new(&store, 0.0).unwrap().update(&store, &[], 1.0, |_| 0.1).is_err());
    }
}
