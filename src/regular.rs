//! Reads files whose names come from a person or another program. Only a regular file is read: a named pipe that nobody
//! writes to would block for ever, and a device such as `/dev/zero` never ends. What is refused is refused at once.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Opens a regular file for reading.
///
/// # Errors
/// As [`File::open`]; and for a folder, a named pipe, a socket or a device, which are not opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Looked at first, because opening a device may already do something.
    refuse(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        // Another file may have taken its name meanwhile: even a pipe is then opened without waiting.
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
    }
    let file = options.open(path)?;
    refuse(&file.metadata()?)?;
    Ok(file)
}

/// Refuses what is no regular file.
fn refuse(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"))
    } else {
        let problem = "it is a pipe or device, not a file: write its content to a file first, and give that";
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}

/// Refuses a path at which something else than a regular file is: opening a pipe for writing would wait for a reader.
///
/// # Errors
/// When there is a folder, a named pipe, a socket or a device, or the file system cannot say.
pub(crate) fn may_write(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) => refuse(&metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// All bytes of a regular file.
///
/// # Errors
/// As [`open`], or when it cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    // The length is the system's, not a number from the file; still a file can be larger than the memory.
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(|_| {
        io::Error::new(io::ErrorKind::OutOfMemory, format!("its {length} bytes are more than there is memory for"))
    })?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A regular file of at most so many bytes.
///
/// # Errors
/// As [`read`]; and for a larger file, of which nothing is read.
pub(crate) fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    let length = file.metadata()?.len();
    if length <= most {
        file.take(most + 1).read_to_end(&mut bytes)?;
    }
    if length > most || bytes.len() as u64 > most {
        let problem = format!("it has more than {most} bytes, which is too large for what it should hold");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// A regular file of at most so many bytes as text in UTF-8.
///
/// # Errors
/// As [`read_up_to`]; and for what is no UTF-8.
pub(crate) fn text_up_to(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_up_to(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_regular_file_is_read_whole_or_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "words").unwrap();
        assert_eq!(read(&path).unwrap(), b"words");
        assert_eq!(text_up_to(&path, 5).unwrap(), "words");
        assert_eq!(read_up_to(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(text_up_to(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(open(&folder.path().join("b")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_links_to_them_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link, circle) =
            (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("circle"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        // On a thread of its own: if it waited, the test would fail and not hang.
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for path in [pipe.as_path(), &link, &circle, Path::new("/dev/zero")] {
                let kind = (open(path).map(drop), read(path), text_up_to(path, 9));
                done.send((path.to_owned(), kind, may_write(path))).unwrap();
            }
        });
        for _ in 0..4 {
            let (path, outcomes, written) = is_done.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
            let (opened, read, text) = outcomes;
            let messages = [opened.unwrap_err(), read.unwrap_err(), text.unwrap_err()].map(|error| error.to_string());
            let wanted = if path.ends_with("circle") { "symbolic link" } else { "it is a pipe or device" };
            assert!(written.is_err(), "{}", path.display());
            assert!(messages.iter().all(|message| message.contains(wanted)), "{}: {messages:?}", path.display());
        }
    }

    /// Files that the program reads at fixed places of the system, or has just made itself.
    const NOT_A_PERSONS: [&str; 5] = [
        "File::open(folder_of(path))",
        "\"/proc/",
        "/sys/fs/cgroup/memory.{name}",
        "File::open(path_of(",
        "fs::read(file.path())",
    ];

    /// Every other reader opens files by this module: one that does not would wait for a pipe.
    #[test]
    fn nothing_else_opens_files_for_reading() {
        let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = Vec::new();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_test = name.ends_with("tests.rs") || path.to_string_lossy().contains("testing");
            if is_test || name == "regular.rs" || !name.ends_with(".rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]").next().unwrap_or_default();
            let program = program.split("#[cfg(all(test").next().unwrap_or_default();
            let opens = |line: &&str| {
                ["File::open(", "fs::read(", "fs::read_to_string(", "fs::copy("].iter().any(|call| line.contains(call))
                    && !line.trim_start().starts_with("//")
                    && !NOT_A_PERSONS.iter().any(|call| line.contains(call))
                    && !line.contains("SoundFile::open(")
            };
            found.extend(program.lines().filter(opens).map(|line| format!("{}: {}", path.display(), line.trim())));
        }
        assert!(found.is_empty(), "these would wait for a named pipe; use crate::regular:\n{}", found.join("\n"));
    }
}
