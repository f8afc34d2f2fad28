//! Launches that work on several tensors at once: `struct Tensors` of `rows.cu`.

use candle_core::{
    DType, Device, Result, Tensor, bail,
    cuda_backend::{CudaDevice, cudarc::driver::DeviceRepr},
};

use super::{Argument, File, Launch, THREADS, address, begin};
use crate::ops::fused::{Pieces, TENSORS};

/// A tensor of a list: its size, what the kernel finds in each of its parts, and numbers of its own.
pub(in crate::ops) struct Each<'a, const N: usize> {
    pub count: usize,
    pub at: [&'a Tensor; N],
    pub with: [f32; 2],
}

/// The list as kernels take it.
#[repr(C)]
pub(super) struct Listed {
    at: [[u64; TENSORS]; 4],
    with: [[f32; TENSORS]; 2],
    counts: [u32; TENSORS],
    begins: [u32; TENSORS + 1],
}

const _: () = assert!(size_of::<Listed>() == 3080, "rows.cu has the same");

// SAFETY: plain numbers in the order and of the sizes of `struct Tensors`, which the driver copies.
unsafe impl DeviceRepr for Listed {}

/// Begins a kernel on at most [`TENSORS`] tensors, each cut into pieces of `piece` numbers.
pub(in crate::ops) fn launch_list<const N: usize>(
    device: &Device,
    kernel: &str,
    list: &[Each<'_, N>],
    piece: usize,
    arguments: &[Argument<'_>],
) -> Result<()> {
    let counts: Vec<usize> = list.iter().map(|each| each.count).collect();
    let Some(pieces) = Pieces::of(&counts, piece) else { bail!("too many or too large tensors for a launch") };
    if pieces.blocks() == 0 {
        return Ok(());
    }
    let card = device.as_cuda_device()?;
    let listed = listed(card, list, pieces)?;
    let launch = Launch { file: File::Rows, kernel, grid: [pieces.blocks(), 1, 1], threads: THREADS, shared: 0 };
    begin(device, launch, Some(&listed), arguments)
}

fn listed<const N: usize>(card: &CudaDevice, list: &[Each<'_, N>], pieces: Pieces) -> Result<Listed> {
    let Pieces { counts, begins } = pieces;
    let mut listed = Listed { at: [[0; TENSORS]; 4], with: [[0.0; TENSORS]; 2], counts, begins };
    for (i, each) in list.iter().enumerate() {
        for (to, tensor) in listed.at.iter_mut().zip(each.at) {
            if tensor.elem_count() < each.count {
                bail!("a kernel needs {} numbers, not {}", each.count, tensor.elem_count());
            }
            to[i] = address(card, tensor)?;
        }
        for (to, number) in listed.with.iter_mut().zip(each.with) {
            to[i] = number;
        }
    }
    Ok(listed)
}

/// An error unless every one of them is in single precision.
pub(in crate::ops) fn all_single<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
    match tensors.into_iter().find(|tensor| tensor.dtype() != DType::F32) {
        Some(other) => bail!("a kernel needs f32, not {:?}", other.dtype()),
        None => Ok(()),
    }
}
