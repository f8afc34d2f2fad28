//! Thousands of damaged copies of good files: nothing panics, nothing allocates beyond its file.
//!
//! In seconds and without coverage, what the fuzzers of `fuzz/` do for hours with it.

use std::{fs, path::Path, time::Instant};

use aat_tui::model::{
    self,
    checkpoint::{Checkpoint, open_tensors, tensors_of_pickle},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(kind);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A copy with one to four wounds: a flipped bit, a number that is an edge, a span gone, doubled or moved.
fn damaged(good: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const EDGES: [u64; 6] = [0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 42, u64::MAX];
    let mut bytes = good.to_vec();
    let mut below = |n: usize| (rng.next_u64() % n.max(1) as u64) as usize;
    for _ in 0..=below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = below(bytes.len());
        let span = (1 + below(24)).min(bytes.len() - at);
        match below(6) {
            0 => bytes[at] ^= 1 << below(8),
            1 => bytes[at] = below(256) as u8,
            2 => {
                let edge = EDGES[below(EDGES.len())].to_le_bytes();
                let width = [1, 2, 4, 8][below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            3 => drop(bytes.drain(at..at + span)),
            4 => {
                let copy = bytes[at..at + span].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn survives(seed: u64, rounds: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let (files, pickles) = (seeds("checkpoint"), seeds("pickle"));
    let mut opened = 0;
    for good in &files {
        for _ in 0..rounds {
            let bytes = damaged(good, &mut rng);
            fs::write(&path, &bytes).unwrap();
            if let Ok(tensors) = open_tensors(&path) {
                opened += 1;
                for (name, _) in tensors.iter() {
                    let mut values = Vec::new();
                    let _ = tensors.read(name, &mut values);
                    assert!(values.capacity() <= 4 * bytes.len(), "{name}");
                }
            }
            if let Ok(checkpoint) = Checkpoint::open(&path) {
                for name in checkpoint.names() {
                    let _ = checkpoint.read(name);
                }
            }
        }
    }
    for good in &pickles {
        for _ in 0..8 * rounds {
            let _ = tensors_of_pickle(&damaged(good, &mut rng));
        }
    }
    assert!(opened > 0, "no wound was ever light enough");
}

/// The files of a seed of `fuzz/fuzz_targets/folder.rs`, under the names of its list.
fn files(mut seed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    const NAMES: [&str; 12] = [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter_model.bin",
        "weights.pth",
    ];
    let mut files = Vec::new();
    while let Some(([which, length @ ..], rest)) = seed.split_first_chunk::<5>() {
        let (content, next) = rest.split_at(u32::from_le_bytes(*length) as usize);
        files.push((NAMES[usize::from(*which)], content.to_vec()));
        seed = next;
    }
    files
}

/// Folders with one file damaged: settings, indexes, adapters, parts.
#[test]
fn damage_to_one_file_of_a_folder_is_survived() {
    survives_in_folders(10_544, 100);
}

fn survives_in_folders(seed: u64, rounds: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let root = tempfile::tempdir().unwrap();
    let base = root.path().join("base");
    fs::create_dir(&base).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/hf-ast");
    for name in ["model.safetensors", "config.json", "preprocessor_config.json"] {
        fs::copy(golden.join(name), base.join(name)).unwrap();
    }
    let folder = root.path().join("model");
    let check = || model::check(folder.to_str().unwrap());
    for seed in seeds("folder") {
        let good = files(&seed);
        for round in 0..=rounds * good.len() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            for (at, (name, content)) in good.iter().enumerate() {
                let wounded = round > 0 && round % good.len() == at;
                let content = if wounded { damaged(content, &mut rng) } else { content.clone() };
                // Another name of the base would be looked for on the hub.
                let elsewhere =
                    *name == "adapter_config.json" && !content.windows(9).any(|part| part == b"\"../base\"");
                fs::write(folder.join(name), if elsewhere { &b"{}"[..] } else { &content[..] }).unwrap();
            }
            let outcome = check();
            assert!(outcome.as_ref().err().is_none_or(|why| !why.to_string().contains("()")), "{outcome:?}");
        }
    }
}

#[test]
fn damage_is_survived() {
    survives(2401, 400);
}

#[test]
#[ignore = "slow: make test-slow"]
fn ten_minutes_of_damage_are_survived() {
    let begun = Instant::now();
    let minutes_are_over = |_: &u64| begun.elapsed().as_secs() >= 600;
    for seed in (0..).take_while(|seed| !minutes_are_over(seed)) {
        survives(seed, 4000);
        survives_in_folders(seed, 1000);
    }
}
