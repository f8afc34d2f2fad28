//! A scan's scores are those of `classify` and `listen` on the same samples, and its tables are what follows from them.

use std::collections::BTreeMap;

use aat_tui::audio;
use serde_json::Value;

use crate::trained::{FRAMES, Sound, Trained, recording, results, write};

/// A window's cell and its scores.
type Scored = ([f64; 2], Vec<f64>);

/// Labels, and for each window its cell and the scores in that order.
fn table(text: &str) -> (Vec<String>, Vec<Scored>) {
    let mut rows = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let header = rows.next().unwrap();
    assert_eq!(header[..2], ["onset", "offset"]);
    let row = |cells: Vec<String>| {
        let values: Vec<f64> = cells.iter().map(|cell| cell.parse().unwrap()).collect();
        ([values[0], values[1]], values[2..].to_vec())
    };
    (header[2..].to_vec(), rows.map(row).collect())
}

fn top(answer: &Value) -> BTreeMap<String, f64> {
    let score = |top: &Value| (top["label"].as_str().unwrap().to_owned(), top["score"].as_f64().unwrap());
    answer["top"].as_array().unwrap().iter().map(score).collect()
}

#[test]
fn scores_and_tables_are_those_of_classify_and_listen() {
    let trained = Trained::new();
    let place = trained.path();
    let parts = [(Sound::Noise(7), 1.3), (Sound::Tone(1_250.0), 1.1), (Sound::Noise(8), 1.37)];
    write(&place.join("in/long.WAV"), 44_100, 2, &recording(44_100, &parts));
    let samples = audio::load(&place.join("in/long.WAV")).unwrap();

    // Every window, 0.12 s apart, by what classify says of its samples alone.
    let hop = 12 * audio::FRAME_SHIFT;
    let size = audio::FrontEnd::Kaldi.samples_of(FRAMES);
    let starts: Vec<usize> = (0..).map(|k| k * hop).take_while(|start| start + size <= samples.len()).collect();
    let printed = trained
        .json("scan ear in --out fine --hop 0.12 --scores --embeddings --format csv,raven,audacity,jsonl --json");
    let text = std::fs::read_to_string(place.join("fine/scores/long.tsv")).unwrap();
    let (labels, rows) = table(&text);
    assert!(rows.len() == starts.len() || rows.len() == starts.len() + 1, "{} {}", rows.len(), starts.len());
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut line = "classify ear --json".to_owned();
    for (k, start) in starts.iter().enumerate() {
        let mut writer = hound::WavWriter::create(place.join(format!("w{k}.wav")), spec).unwrap();
        samples[*start..start + size].iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        line += &format!(" w{k}.wav");
    }
    for (answer, (_, scores)) in trained.json(&line).iter().zip(&rows) {
        let classified = top(answer);
        for (label, score) in labels.iter().zip(scores) {
            assert!((classified[label] - score).abs() < 1e-5, "{label}: {score}, {classified:?}");
        }
    }
    // Cells tile the recording.
    assert_eq!(rows[0].0[0], 0.0);
    assert!(rows.windows(2).all(|two| two[0].0[1] == two[1].0[0]));
    assert!((rows.last().unwrap().0[1] - samples.len() as f64 / 16_000.0).abs() < 1e-6);

    // What listen says at each hop: its windows end where those of the scan do, from the fourth hop on.
    let heard = trained.json("listen ear --input in/long.WAV --hop 0.12 --json");
    let answers: Vec<&Value> = heard.iter().filter(|line| line["top"].is_array()).collect();
    let mut compared = 0;
    for answer in answers {
        let end = (answer["time"].as_f64().unwrap() * 16_000.0).round() as usize;
        let Some(k) = starts.iter().position(|start| start + size == end) else { continue };
        for (label, score) in &top(answer) {
            let at = labels.iter().position(|name| name == label).unwrap();
            assert!((rows[k].1[at] - score).abs() < 1e-5, "{label} at {end}: {score}");
        }
        compared += 1;
    }
    // A busy machine may skip windows in real time.
    assert!(compared >= 3, "{compared}");

    // The tone is found where it is, in every table alike.
    let tone: Vec<&Value> =
        printed.iter().filter(|line| line["detection"] == true && line["label"] == "tone").collect();
    assert_eq!(tone.len(), 1, "{tone:?}");
    let (start, end) = (tone[0]["start"].as_f64().unwrap(), tone[0]["end"].as_f64().unwrap());
    assert!((start - 1.3).abs() < 0.3 && (end - 2.4).abs() < 0.3, "{start} {end}");
    let written = results(&place.join("fine"));
    let read = |name: &str| String::from_utf8(written[std::path::Path::new(name)].clone()).unwrap();
    assert!(read("scan.csv").starts_with("file,start,end,label,score,time\n"));
    assert!(read("scan.csv").contains("in/long.WAV,"));
    assert_eq!(read("scan.csv"), read("files/long.csv"));
    assert_eq!(read("files/long.txt").lines().filter(|line| line.contains("\ttone\t")).count(), 1);
    assert_eq!(read("scan.Table.1.selections.txt").lines().count(), read("scan.csv").lines().count());
    assert_eq!(read("scan.jsonl").lines().count() + 1, read("scan.csv").lines().count());
    let npy = &written[std::path::Path::new("embeddings/long.npy")];
    let array = npyz::NpyFile::new(&npy[..]).unwrap();
    assert_eq!(array.shape(), [rows.len() as u64, 192]);
    assert!(array.into_vec::<f32>().unwrap().iter().all(|value| value.is_finite()));

    // Windows one after another: their mean is what classify says of the whole recording.
    trained.summary("scan ear in --out coarse --scores --json");
    let (labels, rows) = table(&std::fs::read_to_string(place.join("coarse/scores/long.tsv")).unwrap());
    let whole = trained.json("classify ear in/long.WAV --json").remove(0);
    assert_eq!(whole["windows"].as_u64().unwrap() as usize, rows.len());
    for (at, label) in labels.iter().enumerate() {
        let mean = rows.iter().map(|row| row.1[at]).sum::<f64>() / rows.len() as f64;
        assert!((mean - top(&whole)[label]).abs() < 1e-5, "{label}: {mean}");
    }
}
