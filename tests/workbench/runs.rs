//! The run on the screen is the run on disk: trained, stopped, resumed, opened again.

use serde_json::Value;

use crate::{
    pty::{Workbench, epoch, session_names},
    sounds::data_set,
};

const SIZE: (u16, u16) = (120, 40);

/// Epochs of every run here: more than any of them comes to.
const EPOCHS: usize = 60;

/// What `sessions show` prints of the only session.
struct OnDisk {
    /// Steps done.
    steps: u64,
    /// Each epoch's last step, and its metric.
    epochs: Vec<(u64, String)>,
}

fn shown_on_disk(bench: &Workbench) -> OnDisk {
    let names = session_names(&bench.sessions());
    assert_eq!(names.len(), 1, "one run, one session: {names:?}");
    let printed = Workbench::run_in(bench.home(), &format!("sessions show {} --json", names[0]));
    let whole: Value = serde_json::from_str(&printed).unwrap();
    let epoch =
        |record: &Value| (record["step"].as_u64().unwrap(), format!("{:.3}", record["value"].as_f64().unwrap()));
    OnDisk {
        steps: whole["step"].as_u64().unwrap(),
        epochs: whole["epoch_records"].as_array().unwrap().iter().map(epoch).collect(),
    }
}

/// The rows of the panel with the metric's curve.
fn panel(bench: &Workbench) -> Vec<String> {
    let left = bench.columns(0, SIZE.0);
    let title = left.iter().position(|row| row.contains("accuracy on validation")).unwrap();
    let from = left[title].chars().collect::<Vec<_>>().iter().rposition(|c| *c == '╭').unwrap() as u16;
    let rows = bench.columns(from, SIZE.0 - from);
    rows.into_iter().skip(title).take_while(|row| !row.starts_with("╰")).collect()
}

/// Holds the curve on the screen, read with the crosshair from its first point to its last, against the log on disk.
fn assert_curve_is_that_on_disk(bench: &mut Workbench) {
    let OnDisk { steps, epochs } = shown_on_disk(bench);
    let (_, last) = epochs.last().expect("an epoch is complete");
    let label = panel(bench).iter().skip(1).any(|row| row.contains(last));
    assert!(label, "the curve does not end at {last}:\n{}", bench.text());
    let header = bench.text().lines().any(|row| row.contains(&format!("accuracy  {last}")));
    assert!(header, "the panel does not say {last}:\n{}", bench.text());
    bench.press("\x1b[H");
    let mut step = 1;
    loop {
        let value = epochs.iter().rev().find(|(end, _)| *end <= step).map(|(_, value)| value);
        let reading = value.map_or(format!(" step {step} "), |value| format!("● {value}  step {step} "));
        bench.wait_for(&reading, |text| text.contains(&reading));
        step += (steps / 40).max(1);
        bench.press("\x1b[C");
        if step >= steps {
            break;
        }
    }
    bench.wait_for("the crosshair to go", |text| !text.contains(" step 1"));
}

/// Waits until so many epochs are complete.
fn wait_for_epochs(bench: &mut Workbench, epochs: usize) {
    bench.wait_for("another epoch", |text| epoch(text).is_some_and(|epoch| epoch > epochs));
}

#[test]
fn a_run_that_is_stopped_resumed_and_opened_again_is_the_one_on_disk() {
    let mut bench = Workbench::open(SIZE.0, SIZE.1, &["--data", "sounds", "--model", "tiny", "--epochs", "60"]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    data_set(&bench.home().join("sounds"), 20);
    bench.press(":set recipe lesson\r");
    bench.wait_for("the recipe", |text| text.contains("recipe of the next run"));
    bench.press("\r");
    for round in 0..3 {
        let known = if round == 0 { 0 } else { shown_on_disk(&bench).epochs.len() };
        wait_for_epochs(&mut bench, known + 1);
        bench.press("S");
        bench.wait_for("the run to stop", |text| text.contains("◦ stopped") && text.contains("Enter resumes"));
        let epochs = shown_on_disk(&bench).epochs.len();
        assert!(epochs > known && epochs < EPOCHS, "{epochs} epochs after {known}");
        assert_curve_is_that_on_disk(&mut bench);
        if round < 2 {
            bench.press("\r");
        }
    }
    // Nothing runs: nothing is asked.
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();

    let mut again = Workbench::open_in(bench.into_home(), SIZE.0, SIZE.1, &[]);
    again.press("5");
    again.wait_for("the session in the list", |text| text.contains("stopped"));
    again.press("\r");
    again.wait_for("the session on Train", |text| text.contains("Enter resumes"));
    assert_curve_is_that_on_disk(&mut again);
    // Resumed from disk, it goes on where it was, and quitting would stop it.
    let known = shown_on_disk(&again).epochs.len();
    again.press("r");
    wait_for_epochs(&mut again, known + 1);
    again.press("q");
    again.wait_for("the question", |text| text.contains("Stop A ● and quit?"));
    again.press("n");
    again.press("S");
    again.wait_for("the run to stop", |text| text.contains("◦ stopped"));
    assert_curve_is_that_on_disk(&mut again);
    again.press("q");
    assert_eq!(again.wait_for_end(), 0);
}
