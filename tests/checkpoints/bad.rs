//! Broken and malicious files: each gives an error that names the file, none a panic, none a large allocation.

use std::{fs, io::Write, path::Path};

use aat_tui::model::{self, Request, checkpoint::Checkpoint};

fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suspicious.bin");
    fs::write(&path, bytes).unwrap();
    let why = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(why.contains("suspicious.bin"), "{why}");
    why
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn golden(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(file)).unwrap()
}

#[test]
fn files_of_other_kinds() {
    for bytes in [&b"just a line of text"[..], &[0; 64]] {
        assert!(refusal(bytes).contains("no checkpoint that is known"), "{bytes:?}");
    }
    assert!(refusal(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M").contains("torch.save(torch.load("));
}

#[test]
fn broken_safetensors() {
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend_from_slice(b"{}");
    assert!(refusal(&huge).contains("claims"));
    let mut terabytes = (1u64 << 42).to_le_bytes().to_vec();
    terabytes.extend_from_slice(b"{}");
    assert!(refusal(&terabytes).contains("claims 4398046511104 bytes"));

    let entry =
        |shape: &str, from: u64, to: u64| format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#);
    let cases = [
        (format!(r#"{{"a":{},"b":{}}}"#, entry("[2]", 0, 8), entry("[2]", 4, 12)), 12, "overlaps"),
        (format!(r#"{{"a":{},"b":{}}}"#, entry("[2]", 0, 8), entry("[2]", 0, 8)), 8, "overlaps"),
        (format!(r#"{{"a":{},"b":{}}}"#, entry("[2]", 0, 8), entry("[2]", 12, 20)), 20, "gap"),
        (format!(r#"{{"a":{}}}"#, entry("[2]", 0, 8)), 4, "end at byte"),
        (format!(r#"{{"a":{}}}"#, entry("[2]", 0, 8)), 12, "end at byte"),
        (format!(r#"{{"a":{}}}"#, entry("[3]", 0, 8)), 8, "takes 8 bytes"),
        (format!(r#"{{"a":{}}}"#, entry("[4294967296,4294967296,4294967296]", 0, 8)), 8, "takes 8 bytes"),
        (format!(r#"{{"a":{},"a":{}}}"#, entry("[1]", 0, 4), entry("[1]", 4, 8)), 8, "twice"),
        (format!(r#"{{"a":{}}}"#, entry("[0]", 0, 0)), 0, "no known model"),
        (r#"{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#.into(), 1, "F8_E4M3"),
        (r#"{"a":"#.into(), 0, "header"),
    ];
    for (header, data, says) in cases {
        let why = refusal(&safetensors(&header, data));
        assert!(why.contains(says), "{header}: {why}");
    }
}

#[test]
fn a_ggml_filter_bank_larger_than_a_number_can_say() {
    let mut bytes = golden("ggml-whisper/weights.bin");
    // Rows and columns of the filter bank, after the magic and eleven sizes.
    bytes[48..56].copy_from_slice(&[i32::MAX.to_le_bytes(), i32::MAX.to_le_bytes()].concat());
    assert!(refusal(&bytes).contains("ends within its header"));
}

#[test]
fn every_way_to_cut_a_good_file_short() {
    for file in ["hf-whisper/model.safetensors", "ggml-whisper/weights.bin", "gong-ssast-frame/weights.pth"] {
        let whole = golden(file);
        for cut in (0..whole.len()).step_by(whole.len() / 61) {
            refusal(&whole[..cut]);
        }
    }
}

/// A copy of a golden folder with one of its files changed.
fn spoilt(folder: &str, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let copy = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(folder);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let mut bytes = fs::read(copy.path().join(file)).unwrap();
    change(&mut bytes);
    fs::write(copy.path().join(file), bytes).unwrap();
    model::open(&Request::new(copy.path().to_str().unwrap())).err().expect("refused").to_string()
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
}

#[test]
fn weights_that_are_missing_misshapen_or_no_numbers() {
    let why = spoilt("hf-ast", "model.safetensors", |bytes| {
        replace(bytes, "layer.1.layernorm_after.bias", "layer.1.layernorm_after.gone");
    });
    assert!(why.contains("1 tensors are missing") && why.contains("layernorm_after.bias"), "{why}");
    let why = spoilt("hf-ast", "model.safetensors", |bytes| replace(bytes, "\"shape\":[3,32]", "\"shape\":[32,3]"));
    assert!(why.contains("the head has 32") || why.contains("shape"), "{why}");
    let why = spoilt("hf-ast", "model.safetensors", |bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(why.contains("not numbers"), "{why}");
}

#[test]
fn settings_that_make_no_sense() {
    for (from, to) in [
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 0"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 5"),
        ("\"max_length\": 64", "\"max_length\": 8 "),
        ("\"max_length\": 64", "\"max_length\": 99"),
        ("\"time_stride\": 10", "\"time_stride\": 00"),
        ("\"time_stride\": 10", "\"time_stride\": 0 "),
    ] {
        let why = spoilt("hf-ast", "config.json", |bytes| replace(bytes, from, to));
        assert!(!why.is_empty(), "{from} -> {to}");
    }
}

#[test]
fn a_pickle_that_runs_programs_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.pth");
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    archive.start_file("evil/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(b"\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch owned\x85R.").unwrap();
    archive.finish().unwrap();
    let why = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(why.contains("posix.system") && why.contains("nothing is run"), "{why}");
}

#[test]
fn programs_instead_of_weights_are_told_apart() {
    for entry in ["model/code/__torch__.py", "model/constants.pkl", "archive_format"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.pt2");
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        archive.start_file(entry, zip::write::SimpleFileOptions::default()).unwrap();
        archive.finish().unwrap();
        let why = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(why.contains("state_dict()"), "{why}");
    }
}

#[test]
fn folders_without_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let why = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(why.contains("model.safetensors or pytorch_model.bin"), "{why}");
}
