//! `aat-tui`: parses arguments and calls one function.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // A huge page is zeroed and kept whole for the few bytes in use.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
    aat_tui::cli::main()
}
