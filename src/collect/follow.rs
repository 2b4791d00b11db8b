//! Reads a file that is still being written, until it is told to stop or the writer is gone.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the end of the file is looked at again.
const INTERVAL: Duration = Duration::from_millis(2);

/// A reader that waits at the end of the file for more.
#[derive(Debug)]
pub(super) struct Follow {
    file: File,
    writer: PathBuf,
    stop: Arc<AtomicBool>,
}

/// Makes a [`Follow`] take the end of the file for the end.
#[derive(Clone, Debug)]
pub(super) struct Stopper(Arc<AtomicBool>);

impl Stopper {
    pub(super) fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Follow {
    /// `file` is written to by the process `pid`.
    pub(super) fn new(file: File, pid: i32) -> Follow {
        Follow { file, writer: PathBuf::from(format!("/proc/{pid}")), stop: Arc::default() }
    }

    pub(super) fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }
}

impl Read for Follow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Asked before reading: what was written until then is still read.
            let last = self.stop.load(Ordering::Acquire) || !self.writer.exists();
            let length = self.file.read(buffer)?;
            if length > 0 || last {
                return Ok(length);
            }
            std::thread::sleep(INTERVAL);
        }
    }
}
