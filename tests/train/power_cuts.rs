//! Power cuts, simulated from what a run asked of the disk: after each change, whatever was not synced may be there, be
//! missing, or be there in part. Each state that a cut could leave is resumed and compared with the whole run.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
};

use crate::{
    bench::*,
    torture::{Count, RUN, has_strace, is_thorough, recover},
};

/// A change of the session's folder that the program asked for.
#[derive(Debug)]
enum Change {
    /// A name was opened, and made if it was not there; `true`: cut to nothing.
    Open(String, bool),
    /// Bytes at the descriptor's place.
    Write(String, Vec<u8>),
    /// The descriptor's place.
    Seek(String, usize),
    /// A length.
    Cut(String, usize),
    /// The file's content was synced.
    Sync(String),
    /// The folder's names were synced.
    SyncNames,
    Rename(String, String),
    Remove(String),
}

/// A file: what a reader gets, and what survives.
#[derive(Clone, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    place: usize,
}

/// The folder: files by number, names as they are and as they survive.
#[derive(Default)]
struct Disk {
    files: Vec<File>,
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

impl Disk {
    fn file(&mut self, name: &str) -> &mut File {
        let number = self.live[name];
        &mut self.files[number]
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Open(name, emptied) => {
                if !self.live.contains_key(name) {
                    self.files.push(File::default());
                    self.live.insert(name.clone(), self.files.len() - 1);
                }
                let file = self.file(name);
                file.place = 0;
                if *emptied {
                    file.live.clear();
                }
            }
            Change::Write(name, bytes) => {
                let file = self.file(name);
                let end = file.place + bytes.len();
                if file.live.len() < end {
                    file.live.resize(end, 0);
                }
                file.live[file.place..end].copy_from_slice(bytes);
                file.place = end;
            }
            Change::Seek(name, place) => self.file(name).place = *place,
            Change::Cut(name, length) => self.file(name).live.resize(*length, 0),
            Change::Sync(name) => {
                let file = self.file(name);
                file.durable = file.live.clone();
            }
            Change::SyncNames => self.durable = self.live.clone(),
            Change::Rename(from, to) => {
                if let Some(number) = self.live.remove(from) {
                    self.live.insert(to.clone(), number);
                }
            }
            Change::Remove(name) => drop(self.live.remove(name)),
        }
    }

    /// What a cut now could leave.
    fn after_a_cut(&self) -> Vec<BTreeMap<String, Vec<u8>>> {
        let state = |names: &BTreeMap<String, usize>, content: &dyn Fn(&File) -> Vec<u8>| {
            names.iter().map(|(name, number)| (name.clone(), content(&self.files[*number]))).collect()
        };
        let live = |file: &File| file.live.clone();
        let durable = |file: &File| file.durable.clone();
        let torn = |file: &File| {
            let kept = (file.durable.len() + file.live.len()) / 2;
            file.live[..kept.min(file.live.len())].to_vec()
        };
        vec![
            state(&self.durable, &durable),
            state(&self.live, &live),
            state(&self.live, &durable),
            state(&self.durable, &live),
            state(&self.live, &torn),
        ]
    }
}

/// Bytes as strace writes them: `"\x41\x42"`.
fn bytes(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|pair| u8::from_str_radix(&pair[..2], 16).unwrap()).collect()
}

/// A path as strace writes it, as a name in the session's folder.
fn name_in(folder: &Path, text: &str) -> Option<String> {
    let path = String::from_utf8(bytes(text)).unwrap();
    let rest = path.strip_prefix(folder.to_str().unwrap())?;
    Some(rest.trim_start_matches('/').to_owned())
}

/// What strace recorded of the session's folder, in order.
fn changes(trace: &str, folder: &Path) -> Vec<Change> {
    let (mut changes, mut unfinished) = (Vec::new(), HashMap::new());
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let mut call = call.trim_start().to_owned();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread.to_owned(), begun.to_owned());
            continue;
        }
        if call.starts_with("<... ") {
            let Some(begun) = unfinished.remove(thread) else { continue };
            call = begun + call.split_once(" resumed>").map_or("", |(_, rest)| rest);
        }
        let Some((call, result)) = call.rsplit_once(" = ") else { continue };
        let (Some((kind, arguments)), Ok(result)) =
            (call.split_once('('), result.split(['<', ' ']).next().unwrap().parse::<i64>())
        else {
            continue;
        };
        if result < 0 {
            continue;
        }
        // A descriptor is written as 11<path>.
        let of_descriptor = || {
            let path = arguments.split_once('<')?.1.split_once('>')?.0;
            name_in(folder, path)
        };
        let quoted: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        let change = match kind {
            "openat" => {
                quoted.first().and_then(|path| name_in(folder, path)).filter(|name| !name.is_empty()).and_then(|name| {
                    let writes = arguments.contains("O_CREAT") || arguments.contains("O_TRUNC");
                    writes.then(|| Change::Open(name, arguments.contains("O_TRUNC")))
                })
            }
            "write" => of_descriptor().map(|name| {
                let mut bytes = bytes(quoted[0]);
                bytes.truncate(result as usize);
                Change::Write(name, bytes)
            }),
            "lseek" => of_descriptor().map(|name| Change::Seek(name, result as usize)),
            "ftruncate" => of_descriptor().map(|name| {
                let length = arguments.rsplit_once(", ").unwrap().1.trim_end_matches(')').parse().unwrap();
                Change::Cut(name, length)
            }),
            "fsync" | "fdatasync" => of_descriptor().map(|name| match name.as_str() {
                "" => Change::SyncNames,
                _ => Change::Sync(name),
            }),
            "rename" | "renameat" | "renameat2" => {
                name_in(folder, quoted[0]).zip(name_in(folder, quoted[1])).map(|(a, b)| Change::Rename(a, b))
            }
            "unlink" | "unlinkat" => name_in(folder, quoted[0]).map(Change::Remove),
            _ => None,
        };
        changes.extend(change);
    }
    changes
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing() {
    if !has_strace() {
        return;
    }
    let bench = Bench::new();
    let (log, folder) = (bench.path("strace.log"), bench.session("whole"));
    let log_path = log.display().to_string();
    let calls = "trace=openat,write,lseek,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";
    let strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "10000000", "-o", &log_path, "-e", calls];
    let ended = bench.under(&strace, &format!("train {SMALL} {RUN} --name whole")).output().unwrap();
    assert!(ended.status.success(), "{}", text(&ended));
    let changes = changes(&fs::read_to_string(&log).unwrap(), &folder);

    // The record is complete: played to its end, it gives the folder that is there.
    let mut disk = Disk::default();
    changes.iter().for_each(|change| disk.apply(change));
    for (name, number) in disk.live.iter().filter(|(name, _)| *name != "lock") {
        assert!(fs::read(folder.join(name)).unwrap() == disk.files[*number].live, "{name} was recorded otherwise");
    }

    let (mut disk, mut tried, mut count) = (Disk::default(), HashSet::new(), Count::default());
    let sample = if is_thorough() { 1 } else { 23 };
    for change in &changes {
        disk.apply(change);
        for state in disk.after_a_cut() {
            if !tried.insert(state.clone()) || !tried.len().is_multiple_of(sample) {
                continue;
            }
            let cut = bench.session("cut");
            fs::create_dir_all(&cut).unwrap();
            for (name, content) in &state {
                fs::write(cut.join(name), content).unwrap();
            }
            count.injected += 1;
            recover(&bench, "cut", &mut count);
            if cut.exists() {
                fs::remove_dir_all(&cut).unwrap();
            }
        }
    }
    println!("power cuts after {} changes, {} states: {count:?}", changes.len(), tried.len());
    assert!(count.resumed > 0);
}
