//! A sweep on the screen of the real program: the table, one of its curves, and the table as it grows.

use std::fs;

use crate::{
    pty::{Workbench, session_names},
    sounds::data_set,
};

const TABLE: &str =
    "[fixed]\ndata = \"sounds\"\nmodel = \"tiny\"\nmethod = \"head\"\nframes = 32\nepochs = 2\n[axes]\nseed = [1, 2]\n";

#[test]
fn a_sweep_is_watched_its_curves_are_opened_and_what_comes_in_is_shown() {
    let home = tempfile::tempdir().unwrap();
    data_set(&home.path().join("sounds"), 6);
    fs::write(home.path().join("table.toml"), TABLE).unwrap();
    Workbench::run_in(home.path(), "sweep table.toml");

    let mut bench = Workbench::open_in(home, 120, 40, &["sweep", "watch", "table.toml"]);
    bench.wait_for("the table", |text| text.contains("sweep table.toml") && text.contains("2 of 2 done"));
    bench.press("\r");
    bench.wait_for("a curve of it", |text| text.contains("opened as A"));
    bench.press("5");
    bench.wait_for("the table again", |text| text.contains("2 of 2 done"));
    // `w` goes to the list of its sessions and back, by the folder alone.
    bench.press("w");
    bench.wait_for("the list", |text| text.contains("newest first") && text.contains("s2-"));
    bench.press("w");
    bench.wait_for("the table by its folder", |text| text.contains("2 of 2 done"));

    // The file gains a value, and a session of it comes in from another process.
    let table = bench.home().join("table.toml");
    fs::write(&table, TABLE.replace("[1, 2]", "[1, 2, 3]")).unwrap();
    bench.wait_for("the new task", |text| text.contains("2 of 3 done"));
    Workbench::run_in(bench.home(), "sweep table.toml");
    bench.wait_for("the new result", |text| text.contains("3 of 3 done"));
    bench.press(":sweep nowhere.toml\r");
    bench.wait_for("why not", |text| text.contains("nowhere.toml: cannot read"));
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
    assert!(session_names(&bench.home().join("table-sweep")).len() >= 3);
}
