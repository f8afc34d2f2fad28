//! Looks at folders for the browser: what is in one, and what each entry is recognised as.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::inbox::Inbox;
use crate::{
    audio::{AudioError, SoundFile},
    data::{self, Listing, Reason, Recipe},
    digits::counted,
    model::{self, checkpoint},
    session::Store,
    sweep,
    tui::{
        input::choice::Choice,
        state::{
            browser::{Entry, Listed, names},
            look::{Look, Recognised, SoundGlance},
            ticket::Ticket,
        },
        update::{effect::Place, message::Message},
    },
};

/// Most entries of a folder that are shown.
const MOST: usize = 2_000;
/// Entries of a folder that are recognised before what was used before.
const FIRST: usize = 100;
/// Endings of files that may be recipes or sweeps, and of tables that may be data, in lower case.
const SETTINGS: [&str; 1] = ["toml"];
const TABLES: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

/// A request to look at a folder.
#[derive(Debug)]
pub(super) struct Browse {
    /// The ticket of its results.
    pub ticket: Ticket,
    /// What is being chosen.
    pub choice: Choice,
    /// The folder.
    pub place: Place,
    /// What was used before, and names.
    pub known: Vec<String>,
}

/// The number of the newest request: an older one ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest(Arc<AtomicU64>);

impl Newest {
    /// Ends the requests before, and begins one: its number.
    pub(super) fn begin(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends the requests before.
    pub(super) fn end(&self) {
        self.begin();
    }

    fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::Relaxed) == number
    }
}

/// Lists a folder, then sends what each entry is recognised as; ends early when another request is newer than `number`.
pub(super) fn browse(store: &Store, inbox: &Inbox, asked: Browse, newest: &Newest, number: u64) {
    let Browse { ticket, choice, place, known } = asked;
    let listed = list(choice, &place);
    let (folder, entries) = (listed.folder.clone(), listed.entries.clone().unwrap_or_default());
    if inbox.send(Message::Folder(ticket, listed)).is_err() {
        return;
    }
    // Names cost nothing. What was used before may be on a disk that is slow or gone, and a folder may be long.
    let (named, used): (Vec<String>, Vec<String>) =
        known.into_iter().partition(|spec| names(choice).any(|name| name == spec));
    let mut first: Vec<String> = entries.into_iter().map(|entry| entry.spec).collect();
    let rest = first.split_off(first.len().min(FIRST));
    for spec in named.into_iter().chain(first).chain(used).chain(rest) {
        if !newest.is(number) {
            return;
        }
        let is_all = folder.as_deref().is_some_and(|folder| folder.as_os_str() == spec.as_str());
        let look = if is_all { all_of(choice, Path::new(&spec)) } else { look(store, choice, &spec) };
        if inbox.send(Message::Recognised(ticket, spec, look)).is_err() {
            return;
        }
    }
}

/// A folder's path from the root on, and what is in it that can be opened or chosen.
fn list(choice: Choice, place: &Place) -> Listed {
    let folder = match place {
        Place::In(folder) => folder.clone(),
        Place::Around(spec) => {
            let path = Path::new(spec);
            let above = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
            above.unwrap_or_else(|| PathBuf::from("."))
        }
    };
    let folder = match folder.canonicalize() {
        Ok(folder) => folder,
        Err(error) => {
            let problem = format!("{}: {error}", folder.display());
            return Listed { folder: Some(folder), entries: Err(problem), left_out: None };
        }
    };
    let listing = match Listing::of(&folder) {
        Ok(listing) => listing,
        Err(error) => return Listed { folder: Some(folder), entries: Err(error.to_string()), left_out: None },
    };
    let files = files(choice, &listing);
    let all = choice.takes_folders().then_some((&folder, true));
    let folders = listing.folders.iter().map(|path| (path, true));
    // What is chosen is given as text.
    let is_text = |(path, _): &(&PathBuf, bool)| path.to_str().is_some();
    let (named, unnamed): (Vec<_>, Vec<_>) =
        all.into_iter().chain(folders).chain(files.into_iter().map(|path| (path, false))).partition(is_text);
    let mut left_out = Vec::new();
    if named.len() > MOST {
        left_out.push(format!("{} more are not listed: type :{} and the path", named.len() - MOST, choice.command()));
    }
    if !unnamed.is_empty() {
        let names = counted(unnamed.len(), "name");
        left_out.push(format!("{names} that cannot be typed (not UTF-8) left out: rename them"));
    }
    let entries = named.into_iter().take(MOST).map(|(path, is_folder)| Entry::found(path, is_folder)).collect();
    let left_out = (!left_out.is_empty()).then(|| left_out.join("; "));
    Listed { folder: Some(folder), entries: Ok(entries), left_out }
}

/// The files of a folder that may be what is being chosen, by their endings. Pipes and devices are none.
fn files(choice: Choice, listing: &Listing) -> Vec<&PathBuf> {
    let endings: &[&str] = match choice {
        Choice::Data => &TABLES,
        Choice::Model => &checkpoint::ENDINGS,
        Choice::Recipe | Choice::Sweep => &SETTINGS,
        Choice::Lesson => return Vec::new(),
        Choice::Sound | Choice::Recordings => return listing.sounds.iter().collect(),
    };
    let others = listing.left_out.iter().filter(|one| matches!(one.reason, Reason::Document | Reason::Kind));
    let of_endings = others.map(|one| &one.path).filter(|path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    });
    of_endings.filter(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)).collect()
}

/// What a name or a path is recognised as.
fn look(store: &Store, choice: Choice, spec: &str) -> Look {
    if names(choice).any(|name| name == spec) || (choice == Choice::Model && model::is_name(spec)) {
        return of_name(choice, spec);
    }
    // A session may be named without its folder.
    let spec = if choice == Choice::Model { store.model(spec) } else { spec.to_owned() };
    let path = Path::new(&spec);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Look::unusable(format!("cannot be read: {error}")),
    };
    if metadata.is_dir() {
        return of_folder(choice, path).of_folder();
    }
    // A pipe without a writer would be waited for.
    if !metadata.is_file() {
        return Look::unusable("it is a pipe or a device, not a file");
    }
    match choice {
        Choice::Data => Look::of_data(&data::glance(path), false),
        Choice::Model => Look::of_model(&model::glance(path)),
        Choice::Recipe => Look::of_recipe(&Recipe::from_file(path)),
        Choice::Sound | Choice::Recordings => Look::of_sound(&sound(path, metadata.len())),
        Choice::Lesson => Look::other("").about("examples are added to a folder, and this is a file"),
        Choice::Sweep => Look::of_sweep(&sweep::File::read(path)),
    }
}

fn of_name(choice: Choice, name: &str) -> Look {
    match choice {
        Choice::Data => Look::of_data(&data::Glance { layout: Some("demo"), ..data::Glance::default() }, false),
        Choice::Model => Look::of_model(&model::glance_at_name(name)),
        // As a setting it means that none is chosen.
        Choice::Recipe if name == "default" => {
            let own = Look::of_recipe(&Recipe::named(name));
            let about = "data of a known layout have their own recipe; others get the one named default";
            Look::fits(format!("the one of the data; else {}", own.what)).about(about)
        }
        Choice::Recipe => Look::of_recipe(&Recipe::named(name)),
        Choice::Sound | Choice::Recordings | Choice::Lesson | Choice::Sweep => Look::other(""),
    }
}

/// What a folder is recognised as. Bounded: it is listed, and what a model or a data set is recognised by is read.
fn of_folder(choice: Choice, path: &Path) -> Look {
    if choice == Choice::Data {
        return Look::of_data(&data::glance(path), true);
    }
    if choice == Choice::Lesson {
        return Look::of_lesson(&data::glance(path));
    }
    if choice == Choice::Model {
        let look = model::glance(path);
        if !matches!(look, Ok(None)) {
            return Look::of_model(&look);
        }
    }
    let listing = match Listing::of(path) {
        Ok(listing) => listing,
        Err(error) => return Look::unusable("cannot be read").about(error.to_string()),
    };
    let what = match choice {
        Choice::Model => "checkpoint",
        Choice::Recipe | Choice::Sweep => "TOML file",
        _ => "sound",
    };
    let files = files(choice, &listing).len();
    let amounts = [(listing.folders.len(), "folder"), (files, what)].into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = amounts.map(|(count, what)| counted(count, what)).collect();
    let words = words.join(", ");
    if choice == Choice::Recordings && files > 0 { Look::fits(words) } else { Look::other(words) }
}

/// The folder on show itself, where it can be chosen.
fn all_of(choice: Choice, folder: &Path) -> Look {
    let look = of_folder(choice, folder);
    let about = match choice {
        Choice::Lesson => "examples are added to this folder, in a folder for each class",
        _ => "everything below this folder is scanned",
    };
    Look { recognised: Recognised::Fits, ..look.of_folder() }.about(about)
}

/// What the beginning of a sound file says about it.
fn sound(path: &Path, bytes: u64) -> Result<SoundGlance, AudioError> {
    let sound = SoundFile::open(path)?;
    let seconds = sound.declared().map(|frames| frames as f64 / f64::from(sound.rate().max(1)));
    Ok(SoundGlance { rate: sound.rate(), channels: sound.channels(), seconds, bytes })
}

#[cfg(test)]
#[path = "browse_tests.rs"]
mod tests;
