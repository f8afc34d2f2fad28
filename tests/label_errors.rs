//! Floors of finding wrong labels, on real recordings with a frozen backbone: `cargo test --release --test label_errors --
//! --include-ignored --nocapture` prints the figures of docs/review.md.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{ops::ControlFlow, path::Path, sync::Arc};

use aat_tui::{
    data::Label,
    findings::{Penalty, label_errors},
    train::{Embeddings, Request, embed},
};

fn embedded(folder: &str) -> Option<Embeddings> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    let request = Request { data: path.to_str().unwrap().into(), device: "cpu".into(), ..Request::default() };
    Some(embed(&request, &mut |_, _| ControlFlow::Continue(())).unwrap())
}

/// The same with one in twenty labels exchanged for another class, and which rows those are.
fn exchanged(clean: &Embeddings, seed: u64) -> (Embeddings, Vec<usize>) {
    let mut dataset = (*clean.dataset).clone();
    let (count, classes) = (clean.items.len(), dataset.classes.len());
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    // xorshift64*: any shuffle will do.
    let mut next = |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    };
    let mut rows: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        rows.swap(last, next(last + 1));
    }
    rows.truncate(count / 20);
    for &row in &rows {
        let item = &mut dataset.items[clean.items[row]];
        if let Label::One(class) = item.label {
            item.label = Label::One((class + 1 + next(classes - 1)) % classes);
        }
    }
    let dirty = Embeddings {
        dataset: Arc::new(dataset),
        config: clean.config.clone(),
        items: clean.items.clone(),
        width: clean.width,
        vectors: clean.vectors.clone(),
        unreadable: Vec::new(),
    };
    (dirty, rows)
}

/// The share of exchanged labels among twice as many that are shown, and among as many, over seeds; and of those marked
/// likely, the share that is wrong and the share of the wrong ones.
fn found(clean: &Embeddings, seeds: u64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for seed in 1..=seeds {
        let (dirty, wrong) = exchanged(clean, seed);
        let ranked =
            label_errors(&dirty, Penalty::default(), seed, &mut |_, _| ControlFlow::Continue(())).unwrap().suspects;
        let of = |most: usize| ranked.iter().take(most).filter(|one| wrong.contains(&one.row)).count() as f64;
        let likely: Vec<_> = ranked.iter().filter(|one| one.likely).collect();
        let right = likely.iter().filter(|one| wrong.contains(&one.row)).count() as f64;
        let n = wrong.len() as f64;
        let own = [of(2 * wrong.len()) / n, of(wrong.len()) / n, right / likely.len().max(1) as f64, right / n];
        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    }
    sums.map(|sum| sum / seeds as f64)
}

#[test]
fn of_five_per_cent_exchanged_labels_of_esc10_nine_tenths_are_found() {
    let Some(clean) = embedded("esc10") else { return };
    let agreement =
        label_errors(&clean, Penalty::default(), 1, &mut |_, _| ControlFlow::Continue(())).unwrap().agreement;
    let [twice, once, precision, recall] = found(&clean, 5);
    println!(
        "esc10: head {agreement:.3}; found {twice:.3} in twice as many, {once:.3} in as many; likely P {precision:.2} R {recall:.2}"
    );
    assert!(twice >= 0.9, "{twice}");
    assert!(agreement > 0.85, "{agreement}");
}

#[test]
#[ignore = "2,500 clips go through the backbone: a minute or two on two cores"]
fn of_the_digits_nearly_all_are_found_and_the_published_mistake_ranks_first() {
    let Some(clean) = embedded("digits") else { return };
    let found_clean = label_errors(&clean, Penalty::default(), 1, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let name = |row: usize| clean.dataset.items[clean.items[row]].id.as_str();
    let rank = |id: &str| 1 + found_clean.suspects.iter().position(|one| name(one.row).starts_with(id)).unwrap();
    let known = ["six/yweweler_nohash_14", "six/yweweler_nohash_35", "six/yweweler_nohash_36", "six/nicolas_nohash_8"];
    println!("digits: head {:.3}; ranks {:?}", found_clean.agreement, known.map(|id| rank(&format!("{id}."))));
    let first = &found_clean.suspects[0];
    assert!(name(first.row).starts_with("six/yweweler_nohash_14."), "{}", name(first.row));
    assert_eq!(clean.dataset.classes[first.proposed], "eight");
    let [twice, once, precision, recall] = found(&clean, 5);
    println!("digits: found {twice:.3} in twice as many, {once:.3} in as many; likely P {precision:.2} R {recall:.2}");
    assert!(twice >= 0.98, "{twice}");
}
