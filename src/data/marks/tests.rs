#![allow(clippy::unwrap_used, clippy::print_stderr)]
use std::{collections::BTreeMap, fs};

use super::*;

fn read_as(name: &str, content: impl AsRef<[u8]>) -> Result<Marks, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    read(&file, &Options::default()).map_err(|error| error.to_string())
}

fn listed(marks: &Marks) -> Vec<(String, f64, f64, String)> {
    marks.marks.iter().map(|mark| (mark.audio.clone(), mark.start, mark.end, mark.label.clone())).collect()
}

/// Every sample gives its rows of `expected.tsv`, which an independent reader wrote.
#[test]
fn samples_read_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/annotations");
    let Ok(expected) = fs::read_to_string(folder.join("expected.tsv")) else {
        eprintln!("skipped: {} is not here", folder.display());
        return;
    };
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in expected.lines().skip(1) {
        let (file, rest) = line.split_once('\t').unwrap();
        rows.entry(file.to_owned()).or_default().push(rest.to_owned());
    }
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" || name == "expected.tsv" {
            continue;
        }
        let marks = read(&path, &Options::default()).unwrap();
        let number = |value: Option<f64>| {
            value.map_or_else(String::new, |value| {
                let text = format!("{value:.6}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            })
        };
        let mut sorted: Vec<&Mark> = marks.marks.iter().collect();
        sorted.sort_by(|a, b| {
            let key = |mark: &Mark| (mark.audio.clone(), mark.label.clone());
            a.audio
                .cmp(&b.audio)
                .then(a.start.total_cmp(&b.start))
                .then(a.end.total_cmp(&b.end))
                .then(key(a).cmp(&key(b)))
        });
        let by = |by: Annotator| match by {
            Annotator::Unknown => "",
            Annotator::Person => "person",
            Annotator::Machine => "machine",
        };
        let found: Vec<String> = sorted
            .into_iter()
            .map(|mark| {
                let (start, end) = (number(Some(mark.start)), number(Some(mark.end)));
                let (low, high, score) = (number(mark.low_hz), number(mark.high_hz), number(mark.score));
                [mark.audio.as_str(), &start, &end, &mark.label, &low, &high, &score, by(mark.by)].join("\t")
            })
            .collect();
        assert_eq!(found, rows.remove(&name).unwrap_or_default(), "{name}");
        let (unlabelled, silent): (usize, &[&str]) = match name.as_str() {
            "garden.txt" | "creek.Table.1.selections.txt" => (1, &[]),
            "quiet.BirdNET.selection.table.txt" => (0, &["quiet.wav"]),
            "desed.tsv" => (0, &["empty.wav"]),
            _ => (0, &[]),
        };
        assert_eq!(
            (marks.unlabelled, marks.silent.as_slice()),
            (unlabelled, silent.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice()),
            "{name}"
        );
        files += 1;
    }
    assert!(rows.is_empty() && files == 10, "{rows:?} {files}");
}

#[test]
fn wrong_lines_are_refused_with_their_number() {
    let audacity = |line: &str| format!("0.5\t1.0\twren\n\n{line}\n2.0\t3.0\twren\n");
    let dcase = |line: &str| format!("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tx\n{line}\n");
    let raven = |line: &str| format!("Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n1\t0\t1\tx\n{line}\n");
    let birdnet = |line: &str| format!("Start (s),End (s),Common name,Confidence,File\n0,3,x,0.5,a.wav\n{line}\n");
    for (name, text, line) in [
        ("a.txt", audacity("x\t1.0\twren"), 3),
        ("a.txt", audacity("2.0\t1.0\twren"), 3),
        ("a.txt", audacity("-1.0\t1.0\twren"), 3),
        ("a.txt", audacity("nan\t1.0\twren"), 3),
        ("a.txt", audacity("1.0\tinf\twren"), 3),
        ("a.txt", audacity("1.0\tnan"), 3),
        ("a.txt", audacity("1.0\tsoon\twren"), 3),
        ("a.tsv", dcase("a.wav\tsoon\t1\tx"), 3),
        ("a.tsv", dcase("a.wav\t2\t1\tx"), 3),
        ("a.tsv", dcase("a.wav\t-2\t1\tx"), 3),
        ("a.tsv", dcase("a.wav\tNaN\t1\tx"), 3),
        ("a.tsv", dcase("a.wav\t\t1\tx"), 3),
        ("a.txt", raven("2\t1e999\t1\tx"), 3),
        ("a.txt", raven("2\t5\t4\tx"), 3),
        ("a.csv", birdnet("3,x,x,0.5,a.wav"), 3),
        ("a.csv", birdnet("3,-inf,x,0.5,a.wav"), 3),
        ("a.csv", "INDIR,FOLDER,IN FILE,OFFSET,DURATION\nd,f,a.wav,1,-2\n".into(), 2),
        ("a.csv", "Audiofilename,Starttime,Endtime,Q\na.wav,1,2,MAYBE\n".into(), 2),
        ("a.srt", "1\n00:00:02,000 --> 00:00:01,000\nwren\n".into(), 2),
        ("a.csv", "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\nx_0\t3\t1\t/m/1\n".into(), 2),
    ] {
        let error = read_as(name, &text).unwrap_err();
        assert!(error.contains(&format!("line {line}:")) && error.contains(name), "{text:?}: {error}");
    }
    // Headers without times or labels, and what is something else.
    for (text, words) in [
        ("file,start,end\na.wav,0,1\n", "no column holds labels"),
        ("file,label,end\na.wav,x,1\n", "start"),
        ("Selection\tBegin Time (s)\tEnd Time (s)\n1\t0\t1\n", "no column holds labels"),
        ("onset\toffset\tdog\n0\t1\t0.5\n", "scores"),
        (
            "# Segments csv\n# num_ytids=1\n# YTID, start_seconds, end_seconds, positive_labels\nx, 0, 10, \"/m/1\"\n",
            "whole clips",
        ),
        ("filename\tevent_labels\na.wav\tdog,cat\n", "whole clips"),
        ("{\"data\": {}}", "JSON"),
        ("hello\n", "looked for"),
        ("\n\n", "empty"),
    ] {
        let error = read_as("x.csv", text).unwrap_err();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn other_tables_of_the_reference_are_read() {
    let one = |name: &str, text: &str| {
        let marks = read_as(name, text).unwrap();
        (marks.form, listed(&marks), marks.marks.iter().map(|mark| (mark.by, mark.presence)).collect::<Vec<_>>())
    };
    let event = |audio: &str, start: f64, end: f64, label: &str| (audio.to_owned(), start, end, label.to_owned());
    let machine = vec![(Annotator::Machine, Presence::Present)];
    let unsaid = vec![(Annotator::Unknown, Presence::Present)];

    let srt = "1\r\n00:00:00,500 --> 00:01:01,750\r\nwren\r\n\r\n2\r\n00:00:02,000 --> 00:00:03,000\r\n\r\n";
    assert_eq!(one("a.srt", srt), (Form::Subtitles, vec![event("a", 0.5, 61.75, "wren")], unsaid.clone()));
    let vtt = "WEBVTT\n\n00:00.500 --> 00:01.750 align:left\nwren\n";
    assert_eq!(one("a.vtt", vtt).1, [event("a", 0.5, 1.75, "wren")]);
    let python = "input,start_time,end_time,species_name,confidence\nx/a.wav,00:00:03.00,00:00:06.00,wren,0.5\n";
    assert_eq!(one("p.csv", python), (Form::Generic, vec![event("a.wav", 3.0, 6.0, "wren")], machine.clone()));
    let r = "filepath,start,end,scientific_name,common_name,confidence,lat\nC:\\x\\a.wav,0,3,T t,wren,0.5,1\n";
    assert_eq!(one("r.csv", r), (Form::Generic, vec![event("a.wav", 0.0, 3.0, "wren")], machine.clone()));
    let sounds =
        "audio_file,annotation_file,annotation,start_time,end_time,low_f,high_f\nd/a.wav,b.txt,wren,0.5,1,100,900\n";
    assert_eq!(one("o.csv", sounds), (Form::Generic, vec![event("a.wav", 0.5, 1.0, "wren")], unsaid.clone()));
    let ours = "file,start,end,label,score,time\nin/a.wav,0.0,3.5,wren,0.9,\n";
    assert_eq!(one("scan.csv", ours), (Form::Generic, vec![event("a.wav", 0.0, 3.5, "wren")], machine.clone()));
    let three = "Selection\tBegin Time (s)\tEnd Time (s)\tCommon Name\tScientific Name\tSpecies Code\tConfidence\tView\tChannel\
                 \tFile Offset (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin Path\n1\t63\t66\twren\tT t\twre\t0.5\tS 1\t1\t3\t0\t15000\t/d/a.wav\n";
    assert_eq!(one("b.txt", three), (Form::Raven, vec![event("a.wav", 3.0, 6.0, "wren")], machine));
    let hoplite = "recording,start_offset_s,end_offset_s,label,label_type\na.wav,0,5,wren,positive\na.wav,5,10,wren,negative\n\
                   a.wav,10,15,wren,uncertain\n";
    let presence: Vec<Presence> = one("h.csv", hoplite).2.into_iter().map(|(_, says)| says).collect();
    assert_eq!(presence, [Presence::Present, Presence::Absent, Presence::Uncertain]);
    let few = "Audiofilename,Starttime,Endtime,AGGM,SOCM\na.wav,0.5,0.9,POS,NEG\na.wav,1,2,UNK,POS\n";
    assert_eq!(
        one("f.csv", few).1,
        [event("a.wav", 0.5, 0.9, "AGGM"), event("a.wav", 1.0, 2.0, "AGGM"), event("a.wav", 1.0, 2.0, "SOCM")]
    );
    // Saved again by a spreadsheet: semicolons and decimal commas. Labels that look like something else are text.
    let sheet = "start;end;label;file\n0,5;1,75;NA;a.wav\n2;3;True;a.wav\n4;5;1;a.wav\n";
    assert_eq!(
        one("s.csv", sheet).1,
        [event("a.wav", 0.5, 1.75, "NA"), event("a.wav", 2.0, 3.0, "True"), event("a.wav", 4.0, 5.0, "1")]
    );
}

#[test]
fn ravens_label_is_the_only_text_or_what_a_person_says() {
    let table =
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAvg Power (dB)\tWho\n1\tS 1\t1\t0\t1\t-3\twren\n";
    assert_eq!(read_as("a.txt", table).unwrap().marks[0].label, "wren");
    let two = "Selection\tBegin Time (s)\tEnd Time (s)\tWho\tHow\n1\t0\t1\twren\tloud\n";
    assert!(read_as("a.txt", two).unwrap_err().contains("--label-column"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    fs::write(&file, two).unwrap();
    let options = Options { label_column: Some("How".into()), ..Options::default() };
    assert_eq!(read(&file, &options).unwrap().marks[0].label, "loud");
}

#[test]
fn a_tables_stem_is_its_recordings() {
    for (file, stem) in [
        ("garden.txt", "garden"),
        ("creek.Table.1.selections.txt", "creek"),
        ("quiet.BirdNET.selection.table.txt", "quiet"),
        ("a.b.BirdNET.results.csv", "a.b"),
        ("20240501_040000.csv", "20240501_040000"),
        ("x.2.txt", "x.2"),
    ] {
        assert_eq!(stem_of(Path::new(file)), stem);
    }
}
