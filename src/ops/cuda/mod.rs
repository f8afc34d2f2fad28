//! Launches of this project's CUDA kernels on candle's tensors. Each kernel and its arguments' shapes are documented in
//! its `.cu` file; `tests/kernels` compares them with plain loops, without a GPU.
// A launch passes raw addresses, which no compiler checks: the tensors passed here have the sizes that kernels expect.
#![allow(unsafe_code)]

mod card;
mod list;
mod product;
mod upload;

use candle_core::{
    DType, Device, Result, Shape, Storage, Tensor, bail,
    cuda_backend::{
        CudaDevice, WrapErr,
        cudarc::driver::{DevicePtr, LaunchConfig, PushKernelArg, result, sys},
    },
};
use half::bf16;

use card::Card;
pub(super) use card::is_hopper;
use list::Listed;
pub(super) use list::{Each, all_single, launch_list};
pub(super) use product::product;
pub(super) use upload::upload;

/// Default threads of a block.
pub(super) const THREADS: usize = 256;

/// Bytes of shared memory that a launch gets without asking.
const SHARED: usize = 48 << 10;

/// A file of kernels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum File {
    Attention,
    /// The same for cards of compute capability 9.0.
    AttentionHopper,
    Rows,
}

impl File {
    fn name_and_text(self) -> (&'static str, &'static str) {
        match self {
            Self::Attention => ("aat-tui-attention", include_str!(concat!(env!("OUT_DIR"), "/attention.ptx"))),
            Self::AttentionHopper => {
                ("aat-tui-attention-hopper", include_str!(concat!(env!("OUT_DIR"), "/attention_hopper.ptx")))
            }
            Self::Rows => ("aat-tui-rows", include_str!(concat!(env!("OUT_DIR"), "/rows.ptx"))),
        }
    }
}

/// A kernel's argument, in order.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    /// A contiguous tensor, read or written.
    Of(&'a Tensor),
    /// The same, or null.
    Maybe(Option<&'a Tensor>),
    /// An `int`.
    Int(usize),
    /// A `size_t`.
    Count(usize),
    /// A `float`.
    Float(f64),
}

/// An argument as a kernel takes it.
enum Word {
    Wide(u64),
    Narrow(i32),
    Float(f32),
}

/// Memory that a kernel is about to fill.
pub(super) fn unfilled(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    // SAFETY: every caller fills it with a kernel before anything reads it.
    unsafe { Tensor::empty(shape, dtype, device) }
}

/// Begins a kernel on the device's stream, after everything begun before.
pub(super) fn launch(
    device: &Device,
    file: File,
    kernel: &str,
    grid: [usize; 3],
    threads: usize,
    arguments: &[Argument<'_>],
) -> Result<()> {
    begin(device, Launch { file, kernel, grid, threads, shared: 0 }, None, arguments)
}

/// A kernel and how it is launched.
pub(super) struct Launch<'a> {
    pub file: File,
    pub kernel: &'a str,
    /// Blocks.
    pub grid: [usize; 3],
    /// Threads of a block.
    pub threads: usize,
    /// Bytes of shared memory beside those that the kernel itself declares.
    pub shared: usize,
}

/// The same for a kernel with shared memory of the launch's size.
pub(super) fn launch_shared(device: &Device, launch: Launch<'_>, arguments: &[Argument<'_>]) -> Result<()> {
    begin(device, launch, None, arguments)
}

/// The same with a list of tensors as the first argument.
fn begin(device: &Device, launch: Launch<'_>, list: Option<&Listed>, arguments: &[Argument<'_>]) -> Result<()> {
    let device = device.as_cuda_device()?;
    let Launch { file, kernel, grid, threads, shared } = launch;
    let (function, stream) = (Card::of(device).function(device, file, kernel)?, device.cuda_stream());
    if shared > SHARED {
        let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, shared as i32).w()?;
    }
    let words = arguments.iter().map(|argument| word(device, argument)).collect::<Result<Vec<_>>>()?;
    let mut builder = stream.launch_builder(&function);
    if let Some(list) = list {
        builder.arg(list);
    }
    for word in &words {
        match word {
            Word::Wide(value) => builder.arg(value),
            Word::Narrow(value) => builder.arg(value),
            Word::Float(value) => builder.arg(value),
        };
    }
    let [x, y, z] = grid.map(|blocks| blocks.max(1) as u32);
    let config =
        LaunchConfig { grid_dim: (x, y, z), block_dim: (threads as u32, 1, 1), shared_mem_bytes: shared as u32 };
    // SAFETY: the kernel's arguments are these, in number, order and kind, and no kernel leaves its arguments' bounds.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

fn word(device: &CudaDevice, argument: &Argument<'_>) -> Result<Word> {
    Ok(match argument {
        Argument::Of(tensor) | Argument::Maybe(Some(tensor)) => Word::Wide(address(device, tensor)?),
        Argument::Maybe(None) => Word::Wide(0),
        Argument::Int(value) => match i32::try_from(*value) {
            Ok(value) => Word::Narrow(value),
            Err(_) => bail!("{value} is too large a size for a kernel"),
        },
        Argument::Count(value) => Word::Wide(*value as u64),
        Argument::Float(value) => Word::Float(*value as f32),
    })
}

/// The address of a tensor's numbers.
fn address(device: &CudaDevice, tensor: &Tensor) -> Result<u64> {
    let (storage, layout) = tensor.storage_and_layout();
    if !layout.is_contiguous() {
        bail!("a kernel needs a contiguous tensor, not {layout:?}");
    }
    let Storage::Cuda(storage) = &*storage else { bail!("a kernel needs a tensor on its device") };
    let stream = device.cuda_stream();
    let begin = match tensor.dtype() {
        DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(&stream).0,
        DType::BF16 => storage.as_cuda_slice::<bf16>()?.device_ptr(&stream).0,
        dtype => bail!("kernels do not support {dtype:?}"),
    };
    Ok(begin + (layout.start_offset() * tensor.dtype().size_in_bytes()) as u64)
}

/// Avoids repeated work of the driver in each training step. Freed memory stays in the pool: by default it would return
/// to the system whenever the host waits. And no events are created for each tensor: they synchronise streams, and
/// there is only one.
///
/// # Errors
/// When the driver has no such pool.
pub fn prepare(device: &Device) -> Result<()> {
    let device = device.as_cuda_device()?;
    // SAFETY: nothing here opens a second stream, so there is nothing to synchronise.
    unsafe { device.disable_event_tracking() };
    let context = device.cuda_stream().context().clone();
    if !context.has_async_alloc() {
        return Ok(());
    }
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    let mut threshold = u64::MAX;
    // SAFETY: the device is open, the attribute is an unsigned number of 64 bits, and the driver copies it.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device()).w()?;
        result::mem_pool::set_attribute(pool, attribute, std::ptr::from_mut(&mut threshold).cast()).w()?;
    }
    Ok(())
}
