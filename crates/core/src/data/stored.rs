//! Pictures that stay in their files until they are wanted.

use super::fingerprint::Content;
use super::{Image, decode};
use crate::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// No encoded picture of the pixels that are decoded is larger; a sparse file can be, and would fill the memory.
const MAX_BYTES: u64 = 1 << 30;

/// One encoded picture and where its bytes lie.
#[derive(Clone, Debug)]
pub struct StoredPicture {
    /// How messages call it.
    pub name: String,
    pub place: Place,
    /// Refuse a picture that does not decode, where another could take its place.
    pub strict: bool,
}

#[derive(Clone, Debug)]
pub enum Place {
    File(PathBuf),
    /// A part of a file that holds many.
    Part {
        file: Arc<Mutex<File>>,
        offset: u64,
        length: usize,
    },
}

impl StoredPicture {
    pub fn decode(&self) -> Result<Image> {
        let bytes = self.place.read().map_err(|error| Error::file(&self.name, format!("cannot be read ({error})")))?;
        decode(&self.name, &bytes)
    }
}

impl Place {
    fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => {
                length_of(path)?;
                std::fs::read(path)
            }
            Self::Part { file, offset, length } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; *length];
                file.seek(SeekFrom::Start(*offset))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Only the length of what is not to be read `whole`. A file that cannot be read has nothing of either.
    pub fn content(&self, whole: bool) -> Content {
        if whole {
            return self.read().map(|bytes| Content::of(&bytes)).unwrap_or_default();
        }
        let length = match self {
            Self::File(path) => length_of(path).unwrap_or_default(),
            Self::Part { length, .. } => *length as u64,
        };
        Content { length, digest: 0 }
    }
}

/// Bytes of a regular file. Whatever else is there is refused before it is opened: opening a named pipe can wait for ever.
fn length_of(path: &Path) -> io::Result<u64> {
    let metadata = std::fs::metadata(path)?;
    match metadata.len() {
        _ if !metadata.is_file() => Err(io::Error::other("it is no regular file")),
        length if length > MAX_BYTES => Err(io::Error::other(format!("{length} bytes, expected at most {MAX_BYTES}"))),
        length => Ok(length),
    }
}
