//! Torch's `.bin` and `.pt` weight files: a zip archive of stored entries, one for each storage, with a pickle that
//! says which tensor lies where (`torch.save` since version 1.6).

use super::Read;
use super::content::{FileTensor, Wanted};
use super::element::ByteOrder;
use super::pickle::read_state_dict;
use super::source::Source;
use super::torch_storage::{ByStorage, cut};
use super::zip::Archive;

/// The tensors of a file, or what is wrong with it.
pub(super) async fn read(source: &mut Source, wanted: &Wanted) -> Read<Vec<FileTensor>> {
    let archive = Archive::open(source).await?;
    let order = byte_order(&archive, source).await?;
    let pickle = archive.read(source, "data.pkl").await?;
    let ByStorage { passed: mut tensors, storages } = ByStorage::new(read_state_dict(&pickle)?, wanted);
    for (key, parts) in storages {
        let bytes = archive.read(source, &format!("data/{key}")).await?;
        tensors.append(&mut cut(bytes, parts, order)?);
    }
    Ok(tensors)
}

/// Before torch 2.1 it was not written down, and little.
async fn byte_order(archive: &Archive, source: &mut Source) -> Read<ByteOrder> {
    if !archive.has("byteorder") {
        return Ok(ByteOrder::Little);
    }
    match archive.read(source, "byteorder").await?.trim_ascii() {
        b"little" => Ok(ByteOrder::Little),
        b"big" => Ok(ByteOrder::Big),
        other => Err(format!("unknown byte order `{}`", String::from_utf8_lossy(other))),
    }
}
