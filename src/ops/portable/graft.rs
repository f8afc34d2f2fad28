//! An operation from two halves: a value already computed, and its backward pass.

use std::sync::Mutex;

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, MetalStorage, Result, Shape, Storage,
    Tensor, backend::BackendStorage,
};

/// Joins `value`, computed outside any graph, to the graph of `inputs`, so that `backward` gives their gradients.
///
/// `backward` gets the gradient of the value and the places in `inputs` that want theirs, and answers with one
/// gradient for each of those places, in order. An input that nothing trainable leads to is never asked for; if none
/// is left, the value itself is the answer and no graph grows. Works on every device, for the price of one copy of
/// the value.
///
/// # Errors
/// When more than three inputs need gradients, or the device fails.
pub fn graft<B>(name: &'static str, inputs: &[&Tensor], value: Tensor, backward: B) -> Result<Tensor>
where
    B: Fn(&Tensor, Wanted<'_>) -> Result<Vec<Tensor>> + Send + Sync + 'static,
{
    let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].track_op()).collect();
    let from: Vec<&Tensor> = wanted.iter().map(|&i| inputs[i]).collect();
    let value = value.detach();
    let value =
        if value.is_contiguous() && value.layout().start_offset() == 0 { value } else { value.force_contiguous()? };
    let op = Graft { name, value: Mutex::new(Some(value.clone())), wanted, backward };
    match from[..] {
        [] => Ok(value),
        [a] => a.apply_op1(op),
        [a, b] => a.apply_op2(b, op),
        [a, b, c] => a.apply_op3(b, c, op),
        _ => Err(Error::Msg(format!("{name}: at most three inputs can have gradients"))),
    }
}

/// The places among an operation's inputs whose gradients are wanted, and the value that was computed of them.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    places: &'a [usize],
    value: &'a Tensor,
}

impl Wanted<'_> {
    /// Whether the input at this place is among them.
    pub fn has(self, place: usize) -> bool {
        self.places.contains(&place)
    }

    /// The operation's value, which the graph keeps anyway: a backward pass that needs it need not keep it again.
    pub fn value(self) -> Tensor {
        self.value.detach()
    }
}

struct Graft<B> {
    name: &'static str,
    /// Taken by the forward pass, which candle runs once, so that it is not kept twice.
    value: Mutex<Option<Tensor>>,
    wanted: Vec<usize>,
    backward: B,
}

impl<B: Fn(&Tensor, Wanted<'_>) -> Result<Vec<Tensor>>> Graft<B> {
    fn take(&self) -> Result<Tensor> {
        let mut value = self.value.lock().map_err(|_| Error::Msg(format!("{}: a thread died", self.name)))?;
        value.take().ok_or_else(|| Error::Msg(format!("{}: forward ran twice", self.name)))
    }

    fn cpu(&self) -> Result<(CpuStorage, Shape)> {
        let value = self.take()?;
        match &*value.storage_and_layout().0 {
            Storage::Cpu(storage) => Ok((storage.clone(), value.shape().clone())),
            _ => Err(self.elsewhere()),
        }
    }

    fn cuda(&self) -> Result<(CudaStorage, Shape)> {
        let value = self.take()?;
        match &*value.storage_and_layout().0 {
            Storage::Cuda(storage) => Ok((storage.try_clone(value.layout())?, value.shape().clone())),
            _ => Err(self.elsewhere()),
        }
    }

    fn metal(&self) -> Result<(MetalStorage, Shape)> {
        let value = self.take()?;
        match &*value.storage_and_layout().0 {
            Storage::Metal(storage) => Ok((storage.try_clone(value.layout())?, value.shape().clone())),
            _ => Err(self.elsewhere()),
        }
    }

    fn elsewhere(&self) -> Error {
        Error::Msg(format!("{}: value and inputs are on different devices", self.name))
    }

    fn gradients<const N: usize>(&self, value: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; N]> {
        let wanted = Wanted { places: &self.wanted, value };
        let mut gradients = (self.backward)(grad, wanted)?.into_iter().map(Some);
        Ok(std::array::from_fn(|_| gradients.next().flatten()))
    }
}

/// candle's three traits differ only in how many operands they name.
macro_rules! forward {
    ($($operand:ident),*) => {
        fn name(&self) -> &'static str {
            self.name
        }
        fn cpu_fwd(&self, $($operand: &CpuStorage, _: &Layout),*) -> Result<(CpuStorage, Shape)> {
            self.cpu()
        }
        fn cuda_fwd(&self, $($operand: &CudaStorage, _: &Layout),*) -> Result<(CudaStorage, Shape)> {
            self.cuda()
        }
        fn metal_fwd(&self, $($operand: &MetalStorage, _: &Layout),*) -> Result<(MetalStorage, Shape)> {
            self.metal()
        }
    };
}

impl<B: Fn(&Tensor, Wanted<'_>) -> Result<Vec<Tensor>>> CustomOp1 for Graft<B> {
    forward!(_a);
    fn bwd(&self, _: &Tensor, value: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.gradients(value, grad)?;
        Ok(a)
    }
}

impl<B: Fn(&Tensor, Wanted<'_>) -> Result<Vec<Tensor>>> CustomOp2 for Graft<B> {
    forward!(_a, _b);
    fn bwd(&self, _: &Tensor, _: &Tensor, value: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.gradients(value, grad)?;
        Ok((a, b))
    }
}

impl<B: Fn(&Tensor, Wanted<'_>) -> Result<Vec<Tensor>>> CustomOp3 for Graft<B> {
    forward!(_a, _b, _c);
    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        value: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.gradients(value, grad)?;
        Ok((a, b, c))
    }
}
