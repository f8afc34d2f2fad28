//! Damaged copies of good files, thousands of them: nothing panics, nothing allocates beyond its file.
//!
//! What the fuzzers of `fuzz/` do for hours with coverage to guide them, in seconds and without one.

use std::{fs, path::Path, time::Instant};

use aat_tui::model::checkpoint::{Checkpoint, open_tensors, tensors_of_pickle};
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
    }
}
