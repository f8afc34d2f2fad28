//! Why a file's sound cannot be decoded, and the messages for errors of decoders and containers.

use std::io;

use symphonia::core::errors::Error as SymphoniaError;

/// Why reading a file stopped before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file ends before its sound does; the number of promised frames, if known.
    Short(Option<u64>),
    /// The file is damaged where reading stopped; a description.
    Damage(String),
    /// The file is whole, but not usable: a description and a remedy.
    Refused { problem: String, remedy: Remedy },
    /// The operating system's error.
    Io(io::Error),
}

/// The remedy for a file that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Convert it: the command is printed.
    Convert,
    /// Anything else, in words.
    Words(&'static str),
}

impl Fault {
    pub(super) fn refused(problem: impl Into<String>) -> Self {
        Self::Refused { problem: problem.into(), remedy: Remedy::Convert }
    }

    /// The meaning of an error of a decoder or container. Its own text goes to the log.
    pub(super) fn of(error: SymphoniaError, what: &str) -> Self {
        tracing::debug!("decoding {what}: {error}");
        match error {
            SymphoniaError::IoError(error) => error.into(),
            SymphoniaError::DecodeError(_) | SymphoniaError::SeekError(_) => {
                Self::Damage(format!("the bytes there are not {what}"))
            }
            SymphoniaError::Unsupported(_) => Self::refused(format!("this kind of {what} is not decoded")),
            SymphoniaError::LimitError(_) => Self::Damage(format!("a size there is out of {what}'s bounds")),
            SymphoniaError::ResetRequired => {
                Self::refused(format!("its {what} streams change midway, and only one is decoded"))
            }
            _ => Self::Damage(format!("the {what} there cannot be decoded")),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Short(None),
            _ => Self::Io(error),
        }
    }
}
