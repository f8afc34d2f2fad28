//! The sound server's sources: listed by the names that it gives them, and taken by `--input`.

use std::{process::Command, thread, time::Duration};

use aat_tui::audio::capture::{CaptureError, Microphone};
use serde_json::Value;

use crate::virtual_mic::{PATIENCE, Sound, VirtualMic};

/// Samples beyond this are the tone.
const LOUD: f32 = 0.05;

/// Run by the test below in a process of its own, because the environment names the server.
#[test]
#[ignore = "a helper: opens the source that the environment names"]
fn opens_the_source_that_is_named() {
    let Ok(wanted) = std::env::var("SOURCE") else { return };
    match Microphone::open(Some(&wanted)) {
        Ok((microphone, mut tap)) => {
            let (mut samples, begun) = (Vec::new(), std::time::Instant::now());
            while !samples.iter().any(|sample: &f32| sample.abs() > LOUD) && begun.elapsed() < PATIENCE {
                samples.clear();
                tap.pull(&mut samples);
                thread::sleep(Duration::from_millis(20));
            }
            let loud = samples.iter().any(|sample| sample.abs() > LOUD);
            println!("\nopened {} {loud}", microphone.name);
        }
        Err(CaptureError::Unknown { known, .. }) => println!("\nknown {}", known.join("|")),
        Err(error) => println!("\nfailed {error}"),
    }
}

#[test]
fn sources_are_listed_by_name_and_taken() {
    let Some(mic) = VirtualMic::start() else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_aat-tui"));
    let listed = command.args(["devices", "--json"]).envs(&mic.env).output().unwrap();
    let listed: Vec<Value> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["kind"] == "microphone")
        .collect();
    let ids: Vec<&str> = listed.iter().map(|device| device["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["mic", "speaker.monitor"], "{listed:#?}");
    assert_eq!((listed[0]["default"].as_bool(), listed[0]["ok"].as_bool()), (Some(true), Some(true)));
    let name = listed[0]["name"].as_str().unwrap();

    let open = |wanted: &str| {
        let own = std::env::current_exe().unwrap();
        let helper = ["--ignored", "--exact", "sources::opens_the_source_that_is_named", "--nocapture"];
        let output = Command::new(own).args(helper).env("SOURCE", wanted).envs(&mic.env).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut player = mic.play(Sound::Tone(1000.0), 20.0);
    for wanted in ["mic", "speaker.monitor", name] {
        let said = open(wanted);
        assert!(said.contains("opened ") && said.contains(" true"), "{wanted}: {said}");
    }
    let _ = player.kill();
    let _ = player.wait();
    let said = open("no such microphone");
    assert!(said.contains("known ") && said.contains(name), "{said}");
}
