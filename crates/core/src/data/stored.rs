//! Pictures that stay in their files until they are wanted.

use super::{Image, decode};
use crate::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
    fn read(&self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::File(path) => std::fs::read(path),
            Self::Part { file, offset, length } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; *length];
                file.seek(SeekFrom::Start(*offset))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}
