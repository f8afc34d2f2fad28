//! `aat-tui`: parses arguments and calls one function.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    aat_tui::cli::main()
}
