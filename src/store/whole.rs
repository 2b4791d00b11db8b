//! Files written whole or not at all, for the owner's eyes only: heap data holds secrets.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Kind, Result};

/// A file of another name beside `path`, mode 0600, that goes when it is not finished.
pub(super) fn begin(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".memory-analyzer-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory(path))
}

/// Puts the file in the place of what is at `path`, on the disk too; its length in bytes.
pub(super) fn finish(file: NamedTempFile, path: &Path) -> io::Result<u64> {
    file.as_file().sync_all()?;
    let length = file.as_file().metadata()?.len();
    file.persist(path).map_err(|error| error.error)?;
    // The name is not on the disk before its directory is.
    File::open(directory(path)).and_then(|directory| directory.sync_all())?;
    Ok(length)
}

/// Writes `bytes` to `path`.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    begin(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.persist(path).map(drop).map_err(|error| error.error)
        })
        .map_err(|error| Error::new(Kind::NotPermitted, format!("cannot write `{}`: {error}", path.display())))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
