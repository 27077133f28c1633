//! What can go wrong, for every caller in every language.
//!
//! `Display` starts with `[Code]`; TypeScript turns that once into `EmberwingError { code, message }`.

use thiserror::Error;

/// Every error names the argument or file as the user wrote it, what was expected, and what came.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// A method was called on an object after `dispose()`.
    #[error("[Disposed] {what} was disposed; create a new one")]
    Disposed { what: String },
    /// A configuration cannot be read or cannot work.
    #[error("[InvalidConfig] {0}")]
    InvalidConfig(String),
    /// An argument has a value outside what the function takes.
    #[error("[InvalidArgument] {argument}: expected {expected}, got {got}")]
    InvalidArgument { argument: String, expected: String, got: String },
    /// A tensor has the wrong shape or the wrong number of values.
    #[error("[ShapeMismatch] {argument}: expected {expected}, got {got}")]
    ShapeMismatch { argument: String, expected: String, got: String },
    /// A tensor holds NaN or infinity.
    #[error("[NotFinite] {argument}: expected finite numbers, got {got}")]
    NotFinite { argument: String, got: String },
    /// A file's content is not what its name or format says.
    #[error("[InvalidFile] {file}: {problem}")]
    InvalidFile { file: String, problem: String },
    /// A file that is needed does not exist.
    #[error("[MissingFile] {file}: {problem}")]
    MissingFile { file: String, problem: String },
    /// An image cannot be decoded.
    #[error("[InvalidImage] {name}: {problem}")]
    InvalidImage { name: String, problem: String },
    /// Something that diffusers knows and emberwing does not do (yet).
    #[error("[Unsupported] {0}")]
    Unsupported(String),
    /// A device was asked for that is not there, that this build has no code for, or that cannot be opened.
    #[error("[DeviceUnavailable] {0}")]
    DeviceUnavailable(String),
    /// A graphics card stopped answering; what lived on it is lost.
    #[error("[DeviceLost] {0}")]
    DeviceLost(String),
    /// A device has no memory left for what was asked.
    #[error("[OutOfMemory] {0}")]
    OutOfMemory(String),
    /// A calculation failed inside emberwing or burn: always a bug worth a report.
    #[error("[Internal] {0}")]
    Internal(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn argument(argument: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::InvalidArgument { argument: argument.into(), expected: expected.into(), got: got.to_string() }
    }

    pub fn shape(argument: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::ShapeMismatch { argument: argument.into(), expected: expected.into(), got: got.to_string() }
    }

    /// What it says, without its code.
    pub fn message(&self) -> String {
        let text = self.to_string();
        text.split_once("] ").map_or(text.clone(), |(_, message)| message.into())
    }

    pub fn file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidFile { file: file.into(), problem: problem.into() }
    }
}

/// Refuses NaN and infinity: no way out of the library makes an image or a number of them.
pub fn check_finite(argument: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            Err(Error::NotFinite { argument: argument.to_owned(), got: format!("{} at index {index}", values[index]) })
        }
        None => Ok(()),
    }
}
