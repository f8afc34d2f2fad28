//! The command line's training life: train, compare, stop, kill, resume, evaluate, classify, keep and remove sessions.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

mod bench;
mod compare;
mod interruptions;
#[cfg(target_os = "linux")]
mod power_cuts;
#[cfg(target_os = "linux")]
mod torture;

#[path = "../../src/audio/testing.rs"]
mod wav;

use std::{collections::HashMap, f32::consts::TAU, fs, path::Path};

use aat_tui::{
    model::Pooling,
    session::{Checkpoint, Checkpoints, Event, LogReader, Tensor},
};
use serde_json::Value;

use bench::*;

#[test]
fn a_session_from_its_first_epoch_to_its_removal() {
    let bench = Bench::new();
    let printed = bench.json(&format!("train {SMALL} --epochs 2 --name tones --json"));
    assert_eq!(of(&printed, "started").len(), 1);
    let epochs = of(&printed, "epoch");
    assert_eq!(epochs.len(), 2);
    for key in
        ["session", "method", "epoch", "train_loss", "val_loss", "metric", "value", "seconds", "data_seconds", "lr"]
    {
        assert!(!epochs[1][key].is_null(), "{key}");
    }
    let summary = printed.last().unwrap();
    assert_eq!((summary["summary"].as_bool(), summary["method"].as_str()), (Some(true), Some("aat")));
    assert!(summary["best"]["value"].as_f64().unwrap() >= summary["last"]["value"].as_f64().unwrap());
    assert!(summary["trainable"].as_u64().unwrap() > 100_000 && summary["epoch_seconds"].as_f64().unwrap() > 0.0);
    assert!(!state(&bench.session("tones")).norms.is_empty(), "norms were asked for");

    // The best weights on the split that chose them have the value that the run reported.
    let evaluation = &bench.json("eval tones --split val --json")[0];
    assert_eq!(evaluation["value"], summary["best"]["value"]);
    assert_eq!(evaluation["clips"], 3);
    assert_eq!(evaluation["per_class"].as_array().unwrap().len(), 3);

    let output = bench.run("classify last tones/low/0.wav missing.wav --top 2 --json");
    assert_eq!(output.status.code(), Some(1));
    let answers = lines(&output);
    let top = answers[0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 2);
    assert!(top[0]["score"].as_f64() >= top[1]["score"].as_f64());
    assert!(answers[1]["error"].as_str().unwrap().contains("missing.wav"));
    assert_eq!((&answers[0]["heard"], &answers[0]["windows"]), (&serde_json::json!([0.0, 0.3125]), &1.into()));

    let listed = &bench.json("sessions list --json")[0];
    assert_eq!((listed["session"].as_str(), listed["status"].as_str()), (Some("tones"), Some("finished")));
    assert_eq!(bench.json("sessions show tones --json")[0]["epoch_records"].as_array().unwrap().len(), 2);
    for (file, begins) in [("c.csv", "epoch,step"), ("c.json", "["), ("c.svg", "<?xml"), ("c.png", "\u{fffd}PNG")] {
        let output = bench.run(&format!("sessions export tones --to {file}"));
        assert!(output.status.success(), "{}", text(&output));
        let bytes = fs::read(bench.path(file)).unwrap();
        let start = String::from_utf8_lossy(&bytes[..12.min(bytes.len())]).into_owned();
        assert!(start.starts_with(begins) || start.starts_with("<svg"), "{file}: {start}");
    }
    assert_eq!(bench.run("sessions export tones --to c.pdf").status.code(), Some(2));

    let output = bench.run("resume tones");
    assert!(!output.status.success() && text(&output).contains("is complete"), "{}", text(&output));
    assert!(bench.run("sessions remove tones").status.success());
    let output = bench.run("sessions show tones");
    assert!(text(&output).contains("there is no session \"tones\""), "{}", text(&output));
}

#[test]
fn a_recipe_ends_early_when_its_patience_is_over() {
    let bench = Bench::new();
    fs::write(bench.path("patient.toml"), "patience = 2\nclip_norm = 0.5\n").unwrap();
    let small = SMALL.replace("3e-4", "1e-30");
    let printed = bench.json(&format!("train {small} --method head --epochs 9 --recipe patient.toml --json"));
    assert_eq!(of(&printed, "epoch").len(), 3);
    assert!(of(&printed, "warning")[0]["message"].as_str().unwrap().contains("2 epochs without a better metric"));
}

/// Averaged weights are the mean of the last epochs', are evaluated by their own name, and survive a stop to the bit.
#[cfg(unix)]
#[test]
fn the_last_epochs_weights_are_averaged_and_resumed_exactly() {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let bench = Bench::new();
    fs::write(bench.path("average.toml"), "average_last = 2\n").unwrap();
    let train = |name: &str| format!("train {SMALL} --epochs 3 --recipe average.toml --name {name} --json");
    let summary = bench.json(&train("whole")).pop().unwrap();
    assert_eq!(summary["averaged"]["epochs"], 2);
    let folder = bench.session("whole");
    let read = |file: &str| Checkpoint::read(&folder.join(file)).unwrap().tensors;
    let (mean, ends) =
        (read("averaged.safetensors"), [6, 9].map(|step| read(&format!("checkpoint-{step:08}.safetensors"))));
    let of = |tensors: &HashMap<String, Tensor>| tensors["blocks.3.adapter.up.weight"].data.clone();
    for ((mean, a), b) in of(&mean).iter().zip(of(&ends[0])).zip(of(&ends[1])) {
        assert!((mean - (a + b) / 2.0).abs() < 1e-7);
    }
    let evaluation = &bench.json("eval whole --split val --weights averaged --json")[0];
    assert_eq!(evaluation["value"], summary["averaged"]["value"]);

    // Stopped when the mean holds one epoch.
    let folder = bench.session("broken");
    let mut child = bench.start(&train("broken"));
    wait_until(&folder, &mut child, |state| state.epochs.len() >= 2);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    bench.json("resume broken --json");
    let averaged =
        |name: &str| state(&bench.session(name)).averaged.map(|mean| (mean.epochs, mean.value, mean.val_loss));
    assert!(averaged("whole").is_some());
    assert_eq!(averaged("broken"), averaged("whole"));
    let mean = |name: &str| fs::read(bench.session(name).join("averaged.safetensors")).unwrap();
    let tensors = |bytes: &[u8]| bytes[8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize..].to_vec();
    assert_eq!(tensors(&mean("broken")), tensors(&mean("whole")));
}

/// A shortened run ends at its recipe's lowest rate, and the session says with which schedule.
#[test]
fn a_shortened_run_ends_low() {
    let bench = Bench::new();
    fs::write(bench.path("short.toml"), "base = \"few\"\n[schedule]\nwarmup_steps = 5\n").unwrap();
    let printed = bench.json(&format!("train {SMALL} --recipe short.toml --epochs 2 --name short --json"));
    let rates: Vec<f64> = of(&printed, "epoch").iter().map(|epoch| epoch["lr"].as_f64().unwrap()).collect();
    // Ten epochs of `few`: 0.65 of the rate at the end of the fifth, its sixth power at the end.
    let near = |(rate, expected): (&f64, f64)| (rate - expected).abs() < 1e-12;
    assert!(rates.iter().zip([3e-4 * 0.65, 3e-4 * 0.65f64.powi(6)]).all(near), "{rates:?}");
    let schedule = state(&bench.session("short")).config.unwrap().recipe.schedule;
    assert_eq!((schedule.warmup_steps, schedule.constant_until, schedule.every), (1, 0.8, 0.2));
}

/// What a recipe says of random weights holds for them, and is in the session as what was used.
#[test]
fn random_weights_have_figures_of_their_own() {
    let bench = Bench::new();
    let line = "train --data tones --model tiny --frames 32 --batch 8 --epochs 1 --json";
    bench.json(&format!("{line} --name own"));
    let config = state(&bench.session("own")).config.unwrap();
    // One epoch of twenty: a twentieth of fifty steps of warm-up.
    assert_eq!((config.lr, config.recipe.clip_norm, config.recipe.schedule.warmup_steps), (2e-3, 1.0, 3));
    assert_eq!((config.recipe.random, config.shape.pooling), (None, Pooling::Mean));
    // The weights are read back into a model of the same pooling.
    let evaluation = &bench.json("eval own --split val --json")[0];
    assert_eq!(evaluation["value"].as_f64(), state(&bench.session("own")).best().map(|best| best.value));
    bench.json(&format!("{line} --name published --recipe esc50"));
    let config = state(&bench.session("published")).config.unwrap();
    assert_eq!((config.lr, config.shape.pooling), (1e-4, Pooling::ClassTokens));
}

/// A file of two sounds, each as long as the model's window: both count, and the answer says what it is of.
#[test]
fn a_file_longer_than_the_window_is_classified_in_windows() {
    let bench = Bench::new();
    bench.json(&format!("train {SMALL} --epochs 1 --name ear --json"));
    let frames = state(&bench.session("ear")).config.unwrap().recipe.frames as f64;
    let tone = |hz: f32, i: usize| ((TAU * hz * i as f32 / 16_000.0).sin() * 9_000.0) as i16;
    let write = |name: &str, samples: &[i16]| {
        wav::wav(&bench.path(name), samples.len() as u32, |n| samples[n as usize]);
    };
    let size = frames as usize * 160;
    // A window reaches 240 samples over its last frame's begin.
    let [low, high] = [220.0, 3_000.0].map(|hz| (0..size + 240).map(|i| tone(hz, i)).collect::<Vec<i16>>());
    // The first window's last frame reaches into the second sound, so its counterpart does too.
    write("low.wav", &[&low[..size], &high[..240]].concat());
    write("high.wav", &high);
    write("both.wav", &[&low[..size], &high].concat());
    let line = "classify ear low.wav high.wav both.wav --top 3 --json";
    let answers = bench.json(line);
    let score = |answer: &Value, label: &str| {
        let top = answer["top"].as_array().unwrap().iter().find(|top| top["label"] == label).unwrap();
        top["score"].as_f64().unwrap()
    };
    assert_eq!(answers.iter().map(|answer| answer["windows"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 1, 2]);
    let seconds = (2 * size + 240) as f64 / 16_000.0;
    assert_eq!(answers[2]["heard"], serde_json::json!([0.0, seconds]));
    for label in ["low", "mid", "high"] {
        let mean = (score(&answers[0], label) + score(&answers[1], label)) / 2.0;
        assert!((score(&answers[2], label) - mean).abs() < 1e-5, "{label}: {answers:?}");
    }
    let said = text(&bench.run("classify ear both.wav"));
    assert!(
        said.contains(&format!("(0.00 to {seconds:.2} s, mean of 2 windows of {:.2} s)", frames / 100.0)),
        "{said}"
    );
}

/// Rates of single parts reach the parameters of that part and no others.
#[test]
fn a_part_whose_rate_is_nothing_holds_still() {
    let bench = Bench::new();
    fs::write(bench.path("still.toml"), "[rates]\nspatial = 0.0\n").unwrap();
    bench.json(&format!("train {SMALL} --epochs 1 --recipe still.toml --name still --json"));
    let (checkpoint, _) = Checkpoints::of(&bench.session("still")).latest().unwrap();
    let moved = |name: &str| checkpoint.tensors[name].data.iter().any(|value| *value != 0.0);
    assert!(!moved("blocks.3.spatial.up.weight") && moved("blocks.3.adapter.up.weight") && moved("head.linear.bias"));

    fs::write(bench.path("misspelt.toml"), "[rates]\nspacial = 0.0\n").unwrap();
    let said = text(&bench.run(&format!("train {SMALL} --recipe misspelt.toml")));
    assert!(said.contains("misspelt.toml") && said.contains("did you mean `spatial`?"), "{said}");
    fs::write(bench.path("both.toml"), "average_last = 2\npatience = 3\n").unwrap();
    let said = text(&bench.run(&format!("train {SMALL} --recipe both.toml")));
    assert!(said.contains("set patience to 0"), "{said}");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_trained_is_said_with_its_remedy() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("one/only")).unwrap();
    fs::copy(bench.path("tones/low/0.wav"), bench.path("one/only/0.wav")).unwrap();
    in_folds(&bench);
    fs::write(bench.path("mine.toml"), "epochs = 2\nwarmup = 20\n[schedule]\nwarmup_step = 3\n").unwrap();
    let cases: [(&str, i32, &str); 12] = [
        ("train --data nowhere", 1, "nowhere"),
        ("train --data tones --method adapter", 2, "known: aat"),
        ("train --data tones --method bitfot", 2, "did you mean bitfit?"),
        ("compare --data tones --methods aat,lora-8", 2, "lora-r4-a8"),
        ("train --data folds.csv --fold 7", 1, "no fold 7 (did you mean 2?); its folds are 1, 2"),
        ("train --data tones --recipe mine.toml", 1, "(did you mean `warmup_steps`?)"),
        ("train --data tones --model tinny", 1, "did you mean tiny"),
        ("train --data tones --fold 3", 1, "has no folds"),
        ("train --data tones --recipe esc5", 1, "esc50"),
        ("train --data tones --lr 0", 1, "must be above 0"),
        ("resume nobody", 1, "no session"),
        ("train --data one", 1, "only the class \"only\""),
    ];
    for (line, code, hint) in cases {
        let output = bench.run(line);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(hint), "{line}: {said}");
        assert!(!said.contains("panicked"), "{line}: {said}");
    }
    let left = fs::read_dir(bench.path("sessions")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a run that cannot start leaves no session behind");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_its_reason() {
    let bench = Bench::new();
    let output =
        bench.run("train --data tones --model tiny --frames 32 --method full --lr 1e30 --epochs 2 --name wild --json");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("lower --lr"), "{}", text(&output));
    let failed = LogReader::new(&bench.session("wild")).poll().unwrap();
    assert!(matches!(failed.last().unwrap().event, Event::Failed { .. }));
}

/// The demonstration that comes with the project opens everywhere, without weights, and names no machine's paths.
#[test]
fn the_demonstration_session_opens() {
    let bench = Bench::new();
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions");
    for (name, method) in [("demo-aat", "aat"), ("demo-full", "full")] {
        let folder = place.join(name);
        let output =
            bench.command(&format!("sessions show {name} --json")).env("AAT_TUI_SESSIONS", &place).output().unwrap();
        let shown = &lines(&output)[0];
        assert_eq!((shown["status"].as_str(), shown["method"].as_str()), (Some("finished"), Some(method)));
        assert!(shown["epoch_records"].as_array().unwrap().len() >= 3);
        let log = fs::read_to_string(folder.join("events.jsonl")).unwrap();
        assert!(log.len() < 150_000 && !log.contains("/home/") && !log.contains("/root/"), "{}", log.len());
    }
    let export = "sessions export demo-aat demo-full --to demo.svg";
    let output = bench.command(export).env("AAT_TUI_SESSIONS", &place).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
