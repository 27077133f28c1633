//! PNG files that break off behind their pixels.

use std::borrow::Cow;

const SIGNATURE: usize = 8;
/// Length, kind and checksum of a chunk.
const FRAME: usize = 12;
const END: [u8; FRAME] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82];

/// The file with its last chunk: where that is missing, or the one before is cut, the pixels can still all be there, and
/// Pillow reads such files. Whether they are is the decoder's to say.
pub fn with_end(file: &[u8]) -> Cow<'_, [u8]> {
    let mut position = SIGNATURE;
    while let Some([l3, l2, l1, l0, kind @ ..]) = file.get(position..).and_then(|rest| rest.first_chunk::<8>()) {
        let length = u32::from_be_bytes([*l3, *l2, *l1, *l0]) as usize;
        let rest = &file[position..];
        match length.checked_add(FRAME).filter(|&whole| whole <= rest.len()) {
            Some(_) if kind == b"IEND" => return Cow::Borrowed(file),
            Some(whole) => position += whole,
            None if kind == b"IDAT" => {
                let data = &rest[8..][..length.min(rest.len() - 8)];
                let checked = [b"IDAT", data].concat();
                let length = (data.len() as u32).to_be_bytes();
                let checksum = crc32fast::hash(&checked).to_be_bytes();
                return Cow::Owned([&file[..position], &length, &checked, &checksum, &END].concat());
            }
            None => break,
        }
    }
    Cow::Owned([&file[..position.min(file.len())], &END].concat())
}
