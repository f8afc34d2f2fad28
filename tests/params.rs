//! `aat-tui params`: the paper's counts, as a user and a script see them.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;

fn params(args: &[&str]) -> serde_json::Value {
    let output = Command::cargo_bin("aat-tui").unwrap().arg("params").args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_famous_number() {
    let report = params(&["--model", "base", "--method", "aat", "--classes", "20"]);
    assert_eq!(report["trainable"], 7_117_844);
    assert_eq!(report["tokens"], 1214);
    let sum =
        |field: &str| report["groups"].as_array().unwrap().iter().map(|g| g[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("total"), report["total"]);
    assert_eq!(sum("trainable"), report["trainable"]);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 12);
    assert!(layers.iter().all(|l| l["frozen"] == 7_087_872 && l["spatial"] == 295_872 && l["mlp"] == 295_872));
}

#[test]
fn frames_change_positions_only() {
    let full = |frames: &str| params(&["--model", "base", "--method", "full", "--classes", "50", "--frames", frames]);
    let (short, long) = (full("128"), full("512"));
    assert_eq!(short["tokens"], 146);
    let difference = long["trainable"].as_u64().unwrap() - short["trainable"].as_u64().unwrap();
    assert_eq!(difference, 768 * (602 - 146));
    assert_eq!(long["share"], 1.0);
}

#[test]
fn text_is_for_people_and_mistakes_have_hints() {
    let command = |args: &[&str]| {
        let output = Command::cargo_bin("aat-tui").unwrap().arg("params").args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, text, _) = command(&["--model", "base", "--classes", "20"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("7,117,844") && text.contains("7.629 %"), "{text}");
    let (code, _, complaint) = command(&["--model", "basse", "--classes", "20"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("did you mean base?"), "{complaint}");
    let (code, _, complaint) = command(&["--method", "aatt", "--classes", "20"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("no method called \"aatt\"") && complaint.contains("aat-m"), "{complaint}");
}

#[test]
fn low_rank_updates_and_biases_are_groups_of_their_own_counts() {
    let report = |method: &str| params(&["--model", "base", "--method", method, "--classes", "50"]);
    let lora = report("lora-r4-a32");
    assert_eq!((lora["method"].as_str(), lora["trainable"].as_u64()), (Some("lora-r4-a32"), Some(147_456 + 39_986)));
    let group = lora["groups"].as_array().unwrap().iter().find(|group| group["name"] == "lora").unwrap();
    assert_eq!((group["total"].as_u64(), group["trainable"].as_u64()), (Some(147_456), Some(147_456)));
    assert!(lora["layers"].as_array().unwrap().iter().all(|layer| layer["lora"] == 12_288));

    let bitfit = report("bitfit");
    assert_eq!(bitfit["trainable"], 102_912 + 39_986);
    assert_eq!(bitfit["total"].as_u64().unwrap() + 147_456, lora["total"].as_u64().unwrap());
}
