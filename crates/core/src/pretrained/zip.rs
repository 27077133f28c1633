//! The entries of a zip archive whose bytes are asked for in parts (APPNOTE 6.3, with zip64). Only stored entries are
//! read, which is how torch writes them.

use super::Read;
use super::source::Source;
use std::collections::HashMap;

const END: &[u8] = b"PK\x05\x06";
const END_LENGTH: u64 = 22;
/// The end record has a comment of up to 2^16 − 1 bytes.
const LONGEST_COMMENT: u64 = 0xFFFF;
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";
const END_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LENGTH: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: u64 = 30;
/// A number that stands in the entry's zip64 field instead.
const ELSEWHERE: u64 = 0xFFFF_FFFF;
const ZIP_64_FIELD: u64 = 1;

#[derive(Clone, Copy)]
struct Entry {
    stored: bool,
    crc: u32,
    size: u64,
    start: u64,
}

/// The entries by name, without the name of the archive that torch puts in front of them.
pub(super) struct Archive {
    entries: HashMap<String, Entry>,
}

impl Archive {
    pub async fn open(source: &mut Source) -> Read<Self> {
        let (start, length) = directory(source).await?;
        let directory = source.read(start, length).await.map_err(|_| broken("its directory"))?;
        let (mut entries, mut rest) = (HashMap::new(), Fields(&directory));
        while !rest.0.is_empty() {
            let (name, entry) = entry(&mut rest).ok_or_else(|| broken("its directory"))?;
            entries.insert(name, entry);
        }
        Ok(Self { entries })
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The content of an entry.
    pub async fn read(&self, source: &mut Source, name: &str) -> Read<Vec<u8>> {
        let entry =
            self.entries.get(name).ok_or_else(|| format!("the archive has no `{name}`; torch.save writes one"))?;
        if !entry.stored {
            return Err(format!("`{name}` is compressed; torch.save only stores"));
        }
        let local = source.read(entry.start, LOCAL_LENGTH).await.map_err(|_| broken(name))?;
        let mut fields = Fields(local.strip_prefix(LOCAL).ok_or_else(|| broken(name))?);
        fields.bytes(22);
        let (Some(name_length), Some(extra_length)) = (fields.number(2), fields.number(2)) else {
            return Err(broken(name));
        };
        let start = entry.start + LOCAL_LENGTH + name_length + extra_length;
        let data = source.read(start, entry.size).await.map_err(|_| broken(name))?;
        if crc32fast::hash(&data) != entry.crc {
            return Err(format!("the checksum of `{name}` is wrong; the file is damaged"));
        }
        Ok(data)
    }
}

/// Where the list of entries begins, and how long it is.
async fn directory(source: &mut Source) -> Read<(u64, u64)> {
    let length = source.size().min(LONGEST_COMMENT + END_LENGTH);
    let tail_start = source.size() - length;
    let tail = source.read(tail_start, length).await?;
    let is_end = |at: &usize| {
        let comment = tail.get(at + 20..).and_then(|rest| Fields(rest).number(2));
        tail[*at..].starts_with(END) && comment == Some((tail.len() - at) as u64 - END_LENGTH)
    };
    let last = tail.len().checked_sub(END_LENGTH as usize);
    let at = last.and_then(|last| (0..=last).rev().find(is_end)).ok_or_else(|| broken("its end"))?;
    if let Some(locator) = (tail_start + at as u64).checked_sub(20) {
        let locator = source.read(locator, 20).await?;
        if locator.starts_with(END_64_LOCATOR) {
            return directory_64(source, &locator).await;
        }
    }
    let mut fields = Fields(&tail[at + 12..]);
    let (length, start) = (fields.number(4), fields.number(4));
    start.zip(length).ok_or_else(|| broken("its end"))
}

async fn directory_64(source: &mut Source, locator: &[u8]) -> Read<(u64, u64)> {
    let position = Fields(&locator[8..]).number(8).ok_or_else(|| broken("its end"))?;
    let end = source.read(position, 56).await.map_err(|_| broken("its end"))?;
    if !end.starts_with(END_64) {
        return Err(broken("its end"));
    }
    let mut fields = Fields(&end[40..]);
    let (length, start) = (fields.number(8), fields.number(8));
    start.zip(length).ok_or_else(|| broken("its end"))
}

fn entry(directory: &mut Fields) -> Option<(String, Entry)> {
    let mut fields = Fields(directory.bytes(ENTRY_LENGTH)?.strip_prefix(ENTRY)?);
    fields.bytes(6)?;
    let method = fields.number(2)?;
    fields.bytes(4)?;
    let crc = fields.number(4)? as u32;
    let (packed, mut size) = (fields.number(4)?, fields.number(4)?);
    let (name, extra, comment) = (fields.number(2)?, fields.number(2)?, fields.number(2)?);
    fields.bytes(8)?;
    let mut start = fields.number(4)?;
    let name = String::from_utf8_lossy(directory.bytes(name as usize)?).into_owned();
    let extra = directory.bytes(extra as usize)?;
    directory.bytes(comment as usize)?;
    if [packed, size, start].contains(&ELSEWHERE) {
        // In this order, each only where it is needed.
        let mut large = Fields(zip_64(extra)?);
        let mut packed = packed;
        for number in [&mut size, &mut packed, &mut start] {
            if *number == ELSEWHERE {
                *number = large.number(8)?;
            }
        }
    }
    // So that adding what stands before the data cannot overflow.
    let start = (start < 1 << 62).then_some(start)?;
    let name = name.split_once('/').map_or(name.as_str(), |(_, name)| name).to_owned();
    Some((name, Entry { stored: method == 0, crc, size, start }))
}

/// The zip64 field among an entry's further ones.
fn zip_64(extra: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(extra);
    loop {
        let (id, length) = (fields.number(2)?, fields.number(2)?);
        let field = fields.bytes(length as usize)?;
        if id == ZIP_64_FIELD {
            return Some(field);
        }
    }
}

fn broken(what: &str) -> String {
    format!("the zip archive is cut off or broken ({what})")
}

/// Little-endian numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self, count: usize) -> Option<u64> {
        Some(self.bytes(count)?.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }
}
