//! The annotation samples, with silent recordings of the lengths that their description gives.

use std::{fs, path::Path};

use aat_tui::data::{self, marks};

use crate::made::recording;

/// A table, its recordings with their lengths in seconds; marks in recordings, rows without a label, marks beyond an end, rows of a
/// machine.
type Case<'a> = (&'a str, &'a [(&'a str, f64)], [usize; 4]);

#[test]
fn every_sample_is_a_data_set_or_is_refused_as_a_machines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/annotations");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here", folder.display());
        return;
    }
    let all = marks::Options { trust_detections: true, ..marks::Options::default() };
    let cases: &[Case] = &[
        ("garden.txt", &[("garden.wav", 30.0)], [5, 1, 0, 0]),
        ("marsh.txt", &[("marsh.wav", 10.0)], [4, 0, 0, 0]),
        ("night.txt", &[("night.wav", 10.0)], [3, 0, 0, 3]),
        ("creek.Table.1.selections.txt", &[("creek.wav", 60.0)], [3, 1, 0, 0]),
        (
            "deployment.Table.1.selections.txt",
            &[("20240501_040000.WAV", 60.0), ("20240501_050000.WAV", 60.0), ("20240501_060000.WAV", 60.0)],
            [4, 0, 1, 0],
        ),
        ("quiet.BirdNET.selection.table.txt", &[("quiet.wav", 10.0)], [0, 0, 0, 1]),
        ("all.BirdNET.results.csv", &[("a.wav", 10.0), ("b.wav", 10.0)], [3, 0, 0, 3]),
        ("cluster.csv", &[("S4U01_20240701_213000.wav", 60.0), ("S4U01_20240702_000000.wav", 60.0)], [3, 0, 0, 1]),
        ("desed.tsv", &[("a.wav", 10.0), ("b.wav", 10.0), ("empty.wav", 10.0)], [4, 0, 0, 0]),
        ("audioset_strong.tsv", &[("invented_01_30000.wav", 10.0), ("-example-02_0.wav", 10.0)], [3, 0, 0, 0]),
    ];
    for (table, sounds, [marked, unlabelled, beyond, machine]) in cases {
        let set = tempfile::tempdir().unwrap();
        fs::copy(folder.join(table), set.path().join(table)).unwrap();
        for (name, seconds) in *sounds {
            recording(&set.path().join(name), *seconds, &[]);
        }
        // Given as the table itself, and as the folder around it.
        for spec in [set.path().join(table), set.path().to_owned()] {
            let spec = spec.to_str().unwrap();
            let plain = data::open(spec);
            if *machine > 0 {
                let error = plain.unwrap_err().to_string();
                assert!(error.contains("--trust-detections") && error.contains(table), "{table}: {error}");
            } else {
                assert!(plain.is_ok(), "{table}: {plain:?}");
            }
            let read = data::read_with(spec, &all).unwrap();
            assert!(read.problems.is_empty(), "{table}: {:?}", read.problems);
            let found = read.dataset.marks.unwrap();
            let events: usize = found.recordings.iter().map(|one| one.events.len()).sum();
            let counts = [events, found.unlabelled, found.beyond, found.trusted];
            assert_eq!(counts, [*marked, *unlabelled, *beyond, *machine], "{table}");
            assert_eq!((found.recordings.len(), found.outside), (sounds.len(), 0), "{table}");
            assert_eq!(read.dataset.layout, "marks");
        }
    }
}
