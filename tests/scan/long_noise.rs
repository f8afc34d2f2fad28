//! Long sounds for tests of memory.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

/// Writes noise of 8 bits at 8 kHz; half an hour is 14 MB, and 115 MB as samples at 16 kHz.
pub fn write(path: &Path, seconds: u32, seed: u32) {
    let bytes = 8_000 * seconds;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + bytes).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(b"\x01\0\x08\0data").unwrap();
    file.write_all(&bytes.to_le_bytes()).unwrap();
    let mut state = seed;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..100_003).map(|_| byte()).collect();
    for at in (0..bytes as usize).step_by(noise.len()) {
        file.write_all(&noise[..noise.len().min(bytes as usize - at)]).unwrap();
    }
    file.flush().unwrap();
}
