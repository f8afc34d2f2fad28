//! cuBLAS's product of two bf16 matrices, accumulated in single precision, into existing memory.

use std::ffi::c_int;

use candle_core::{
    DType, Result, Tensor, bail,
    cuda_backend::{
        WrapErr,
        cudarc::cublas::{result, sys},
    },
};

use super::address;

/// to (rows, columns) = x (rows, inner) w (inner, columns), plus the old values if `onto`. Both inputs may be
/// transposed views; `to` is bf16 or single precision.
pub(in crate::ops) fn product(to: &Tensor, x: &Tensor, w: &Tensor, onto: bool) -> Result<()> {
    let ((rows, inner), (deep, columns)) = (x.dims2()?, w.dims2()?);
    if to.dims2()? != (rows, columns) || inner != deep || x.dtype() != DType::BF16 || w.dtype() != DType::BF16 {
        bail!("no product of {x:?} and {w:?} into {to:?}");
    }
    let device = to.device().as_cuda_device()?;
    let into = match to.dtype() {
        DType::BF16 => sys::cudaDataType_t::CUDA_R_16BF,
        DType::F32 => sys::cudaDataType_t::CUDA_R_32F,
        dtype => bail!("no product into {dtype:?}"),
    };
    let operand = sys::cudaDataType_t::CUDA_R_16BF;
    // cuBLAS is column-major: what is (rows, columns) here is its transpose there, and the order of the factors is
    // reversed.
    let ((x, turn_x, lead_x), (w, turn_w, lead_w)) = (stored(x)?, stored(w)?);
    let (one, onto) = (1f32, f32::from(u8::from(onto)));
    let to = address(device, to)?;
    let blas = device.cublas_handle();
    let [rows, columns, inner] = [rows, columns, inner].map(|size| size as c_int);
    // SAFETY: addresses are the device's; sizes and strides are those of the tensors there, checked above.
    unsafe {
        result::gemm_ex(
            *blas.handle(),
            turn_w,
            turn_x,
            columns,
            rows,
            inner,
            std::ptr::from_ref(&one).cast(),
            address_of(device, &w)?,
            operand,
            lead_w,
            address_of(device, &x)?,
            operand,
            lead_x,
            std::ptr::from_ref(&onto).cast(),
            to as *mut _,
            into,
            columns,
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT_TENSOR_OP,
        )
    }
    .w()
}

fn address_of(device: &candle_core::CudaDevice, tensor: &Tensor) -> Result<*const std::ffi::c_void> {
    Ok(address(device, tensor)? as *const _)
}

/// A matrix in memory: its address, whether it is stored transposed, and its leading dimension.
fn stored(matrix: &Tensor) -> Result<(Tensor, sys::cublasOperation_t, c_int)> {
    let (rows, columns) = matrix.dims2()?;
    if matrix.is_contiguous() {
        return Ok((matrix.clone(), sys::cublasOperation_t::CUBLAS_OP_N, columns as c_int));
    }
    let turned = matrix.t()?;
    if turned.is_contiguous() {
        return Ok((turned, sys::cublasOperation_t::CUBLAS_OP_T, rows as c_int));
    }
    Ok((matrix.contiguous()?, sys::cublasOperation_t::CUBLAS_OP_N, columns as c_int))
}
