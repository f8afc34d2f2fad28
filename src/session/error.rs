use std::path::{Path, PathBuf};

/// An error of a session's folder. Messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The attempted action: "write", "read", "create".
        action: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// No such session.
    #[error("there is no session \"{given}\" in {}; {hint}", root.display())]
    Unknown {
        /// What was asked for.
        given: String,
        /// The folder of sessions.
        root: PathBuf,
        /// The nearest name, or what to do.
        hint: String,
    },
    /// Another process is training this session.
    #[error("{}: another process is training this session; wait for it, or stop it first", path.display())]
    Busy {
        /// The session's folder.
        path: PathBuf,
    },
    /// The log cannot be used.
    #[error("{}: {problem}; {remedy}", path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
}

impl SessionError {
    /// Adds the path and the attempted action to an operating system's error, for `map_err`.
    pub fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; make room, or choose another folder with --sessions, then resume"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; choose another folder with --sessions",
        _ => "",
    }
}
