//! The CUDA kernels without a GPU: `emulate.h` runs them thread by thread, `check.cpp` compares their results with
//! plain loops in double precision. Prints a message and passes where there is no C++ compiler.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{path::Path, process::Command};

/// Compiles and runs `check.cpp`, with these options beside.
fn check(options: &[&str]) {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".to_owned());
    if Command::new(&compiler).arg("--version").output().is_err() {
        eprintln!("skipped: no C++ compiler ({compiler})");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (Path::new("tests/kernels/check.cpp"), folder.path().join("check"));
    let compiled = Command::new(&compiler)
        .args(["-std=c++17", "-O1", "-Wno-unknown-pragmas", "-o"])
        .arg(&program)
        .args(options)
        .arg(source)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let checked = Command::new(&program).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn kernels_compute_what_loops_do() {
    check(&[]);
}

#[test]
fn attention_on_hopper_computes_what_loops_do() {
    check(&["-DHOPPER"]);
}
