//! What cannot be exported gives one error, and nothing half-written.

use std::fs;

use crate::{Bench, text, tone};

#[test]
fn every_wrong_request_gets_one_sentence_and_leaves_nothing() {
    let bench = Bench::new();
    fs::create_dir(bench.path("out")).unwrap();
    bench.train("trained", "--method aat");
    for (line, code, says) in [
        ("trainde out/m.onnx", 1, "the nearest name is \"trained\""),
        ("trained sessions", 1, "not empty"),
        ("trained tones/low/0.wav", 1, "that is a file"),
        ("trained out/folder --samples 16000", 1, "are for ONNX files"),
        ("trained out/m.onnx --adapter", 1, "is for a folder"),
        ("tones out/folder", 1, "is no session"),
        ("trained out/m.tflite", 1, "name a file that ends in .onnx"),
        ("trained nowhere/m.onnx", 1, "is not there; make it first"),
        ("trained out/m.onnx --dtype int8", 2, "docs/deploy.md"),
        ("trained out/m.onnx --samples 100", 1, "at least 400"),
        ("trained out/m.onnx --weights averaged", 1, "average_last"),
        ("trained out/m.onnx --verify nowhere", 1, "nowhere"),
        ("tiny out/m.onnx", 1, "no labels"),
    ] {
        let (found, complaint) = bench.refused(line);
        assert_eq!((found, complaint.lines().count()), (Some(code), 1), "{line}: {complaint}");
        assert!(complaint.contains(says), "{line}: {complaint}");
    }
    assert!(bench.names("out").is_empty());
}

#[test]
fn a_pretraining_run_has_nothing_to_answer_with() {
    let bench = Bench::new();
    let line = "pretrain --data tones --model tiny --objective ssast --epochs 1 --batch 4 --frames 64 --name pre";
    let output = bench.run(line);
    assert!(output.status.success(), "{}", text(&output));
    let (code, complaint) = bench.refused("pre m.onnx");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("it was pretrained and has no classes"), "{complaint}");
    assert!(!bench.path("m.onnx").exists());
}

#[test]
fn a_backbone_that_is_gone_or_another_is_named() {
    let bench = Bench::new();
    copy_backbone(&bench);
    let line = "train --data tones --model backbone --frames 48 --batch 4 --epochs 1 --method aat --name trained";
    let output = bench.run(line);
    assert!(output.status.success(), "{}", text(&output));
    fs::rename(bench.path("backbone"), bench.path("moved")).unwrap();
    let (code, complaint) = bench.refused("trained m.onnx");
    assert_eq!((code, complaint.contains("\"backbone\"")), (Some(1), true), "{complaint}");
    assert!(!bench.path("m.onnx").exists());
}

/// Another maker's checkpoint may have labels that no data set of ours is allowed to have.
#[test]
fn labels_of_another_maker_arrive_whole_however_long() {
    let bench = Bench::new();
    copy_backbone(&bench);
    let path = bench.path("backbone/config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let labels = ["a \"quoted\"\\ one".to_owned(), "two\nlines \u{1b}[31m".to_owned(), "long".repeat(2_500)];
    for (at, label) in labels.iter().enumerate() {
        config["id2label"][at.to_string()] = label.as_str().into();
    }
    config.as_object_mut().unwrap().remove("label2id");
    fs::write(&path, config.to_string()).unwrap();
    let printed = bench.export("backbone m.onnx");
    assert_eq!(printed["verified_on"], "synthesised sounds");
    let runtime = aat_tui::model::export::Runtime::open(&bench.path("m.onnx")).unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(runtime.metadata("labels").unwrap()).unwrap(), labels);
}

/// Another maker's AST in the folder `backbone`.
fn copy_backbone(bench: &Bench) {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/hf-ast");
    fs::create_dir(bench.path("backbone")).unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, bench.path("backbone").join(from.file_name().unwrap())).unwrap();
    }
}

/// A limit on the size of a file has the effect of a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let bench = Bench::new();
    bench.train("trained", "--method head");
    fs::create_dir(bench.path("out")).unwrap();
    fs::write(bench.path("out/m.onnx"), "an older one").unwrap();
    let program = env!("CARGO_BIN_EXE_aat-tui");
    for target in ["out/m.onnx", "out/folder"] {
        let script = format!("ulimit -f 2000; exec {program} export trained {target}");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(bench.folder.path())
            .env("AAT_TUI_SESSIONS", bench.path("sessions"))
            .env("AAT_TUI_CACHE", "off")
            .output()
            .unwrap();
        let complaint = text(&output);
        assert_eq!((output.status.code(), complaint.lines().count()), (Some(1), 1), "{complaint}");
        let says = format!("{target}: cannot write");
        assert!(complaint.contains(&says) && complaint.contains("make room"), "{complaint}");
        assert_eq!(bench.names("out"), ["m.onnx"]);
    }
    assert_eq!(fs::read_to_string(bench.path("out/m.onnx")).unwrap(), "an older one");
}

/// Labels are arbitrary text: the file holds them unchanged, and the screen never shows their control characters.
#[test]
fn labels_with_quotes_newlines_and_as_many_letters_as_a_set_may_have_arrive_whole() {
    let bench = Bench::new();
    let labels = ["a \"quoted\" one, and 'so'".to_owned(), "two\nlines \u{1b}[31m".to_owned(), "long".repeat(125)];
    let mut table = csv::Writer::from_path(bench.path("set.csv")).unwrap();
    table.write_record(["path", "label"]).unwrap();
    for (at, label) in labels.iter().enumerate() {
        for clip in 0..4 {
            let name = format!("{at}-{clip}.wav");
            tone(&bench.path(&name), 300.0 * (1 + at) as f32 + clip as f32);
            table.write_record([name.as_str(), label]).unwrap();
        }
    }
    table.flush().unwrap();
    let line =
        "train --data set.csv --model tiny --frames 48 --stride 16 --batch 4 --epochs 1 --method head --name odd";
    let output = bench.run(line);
    assert!(output.status.success(), "{}", text(&output));
    bench.export("odd odd.onnx");
    let runtime = aat_tui::model::export::Runtime::open(&bench.path("odd.onnx")).unwrap();
    let mut found: Vec<String> = serde_json::from_str(runtime.metadata("labels").unwrap()).unwrap();
    let mut expected = labels.to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(!text(&bench.run("export odd again.onnx")).contains('\u{1b}'));
}
