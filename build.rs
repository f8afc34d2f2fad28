//! Compiles the CUDA kernels of `src/ops/cuda` to PTX where the feature `cuda` asks for them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    kernels();
}

#[cfg(feature = "cuda")]
fn kernels() {
    println!("cargo::rerun-if-changed=src/ops/cuda");
    let path = |name| format!("src/ops/cuda/{name}");
    // NVCC, CUDA_HOME and CUDA_COMPUTE_CAP choose the compiler and for what, as for candle's own kernels.
    let built = cudaforge::KernelBuilder::new()
        .source_files(["attention.cu", "attention_hopper.cu", "rows.cu"].map(path))
        .with_compute_override_arch("*_hopper.cu", "90a")
        .watch(["attention.cu", "attention_once.cuh", "tiles.cuh", "lanes.cuh"].map(path))
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx();
    if let Err(error) = built {
        println!("cargo::error=the CUDA kernels do not compile: {}", error.to_string().replace('\n', "; "));
    }
}
