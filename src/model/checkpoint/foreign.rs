//! What a file is that is no checkpoint: a Git LFS pointer, a web page, another program's format. Each is named with
//! what to do about it.

use std::{io::Read, path::Path};

use crate::{model::ModelError, regular};

/// Bytes that are enough to recognise a format.
const ENOUGH: u64 = 512;

/// The first bytes of a file.
pub(super) fn first_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let mut first = Vec::new();
    regular::open(path).map_err(io)?.take(ENOUGH).read_to_end(&mut first).map_err(io)?;
    Ok(first)
}

/// Formats by their first bytes: what they are, and what to do.
const FORMATS: [(&[u8], &str, &str); 9] = [
    (b"GGUF", "this is a GGUF file", "take the model's safetensors, or Whisper's GGML in f16"),
    (b"\x89HDF\r\n\x1a\n", "this is an HDF5 file of Keras or TensorFlow", TORCH),
    (b"\x1f\x8b", "this is a gzip archive", UNPACK),
    (b"BZh", "this is a bzip2 archive", UNPACK),
    (b"\xfd7zXZ", "this is an xz archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "this is a 7z archive", UNPACK),
    (b"\x93NUMPY", "this is a NumPy array", "give the model's safetensors or .pth"),
    (b"RIFF", "this is a RIFF file, such as sound in WAV", "give a checkpoint as the model and sounds as data"),
    (b"OggS", "this is an Ogg file, which is sound", "give a checkpoint as the model and sounds as data"),
];
const UNPACK: &str = "unpack it and give what is inside";
const TORCH: &str = "take the model's safetensors or pytorch_model.bin";

/// An error that names what these first bytes of a file belong to, when that is known to be no checkpoint.
pub(super) fn refuse(path: &Path, first: &[u8]) -> Result<(), ModelError> {
    let refuse = |problem: &str, remedy: &str| Err(ModelError::checkpoint(path, problem, remedy));
    if first.is_empty() {
        return refuse("it is empty (0 bytes)", "download or copy it again");
    }
    if first.starts_with(b"version https://git-lfs") {
        let text = String::from_utf8_lossy(first);
        let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let of = size.map_or_else(String::new, |bytes| format!(" of {}", megabytes(bytes)));
        let problem = format!("this is a Git LFS pointer to a file{of}, not the file itself");
        return refuse(&problem, "run `git lfs pull` in its repository, or download the file from the hub's page");
    }
    let text = first.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if ["<!doctype", "<html", "<head", "<?xml", "<error"].into_iter().any(begins) {
        let problem = "this is a web page that was saved under this name, not the file itself";
        let remedy = "download it again from the link behind \"download\" (on Hugging Face \"resolve\", not \"blob\"), \
                      signed in where the page asks for it";
        return refuse(problem, remedy);
    }
    if let Some((_, problem, remedy)) = FORMATS.into_iter().find(|(magic, ..)| first.starts_with(magic)) {
        return refuse(problem, remedy);
    }
    if begins("{") || begins("[") {
        return refuse("this is JSON, which holds no weights", "give the folder it is in, or the weights themselves");
    }
    if first.get(257..262) == Some(b"ustar") {
        return refuse("this is a tar archive", UNPACK);
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{bytes} bytes") } else { format!("{} MB", (bytes + 500_000) / 1_000_000) }
}

/// A text file of limited size; what is no text of its own but a pointer or a page is named.
pub(super) fn read_text(path: &Path, largest: u64) -> Result<String, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    regular::open(path).map_err(io)?.take(largest).read_to_end(&mut bytes).map_err(io)?;
    let text = bytes.trim_ascii_start();
    if !matches!(text.first(), Some(b'{' | b'[')) {
        refuse(path, &bytes[..bytes.len().min(512)])?;
    }
    String::from_utf8(bytes).map_err(|_| ModelError::checkpoint(path, "this is no text", "download or copy it again"))
}
