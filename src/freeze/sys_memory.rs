//! The kernel's interface for reading the memory of other processes and learning which of it there is, as safe functions.
//!
//! Sources: process_vm_readv(2), `Documentation/admin-guide/mm/pagemap.rst`, `include/uapi/linux/fs.h`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `_IOWR('f', 16, struct pm_scan_arg)`; the same number on every CPU with the generic `ioctl.h`, ours among them.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

/// Categories of pages of [`scan_pages`].
pub(super) const PAGE_IS_FILE: u64 = 1 << 2;
pub(super) const PAGE_IS_PRESENT: u64 = 1 << 3;
pub(super) const PAGE_IS_SWAPPED: u64 = 1 << 4;
/// The page of zeros that untouched memory shows to who reads it.
pub(super) const PAGE_IS_ZERO: u64 = 1 << 5;
/// Since Linux 6.15: no memory at all (`MADV_GUARD_INSTALL`).
pub(super) const PAGE_IS_GUARD: u64 = 1 << 8;

/// `struct page_region`: pages one after the other that are alike.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageRegion {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Debug, Default)]
struct ScanArguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vector: u64,
    vector_length: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// The present and the swapped pages from `start` to `end` that are in none of the categories `unwanted`: how many regions were
/// put into `found`, and how far it came. Since Linux 6.7; `EINVAL` too where a category is not known.
pub(super) fn scan_pages(
    pagemap: &File,
    (start, end): (u64, u64),
    unwanted: u64,
    found: &mut [PageRegion],
) -> io::Result<(usize, u64)> {
    let mut arguments = ScanArguments {
        size: size_of::<ScanArguments>() as u64,
        start,
        end,
        vector: found.as_mut_ptr() as u64,
        vector_length: found.len() as u64,
        category_inverted: unwanted,
        category_mask: unwanted,
        category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        return_mask: PAGE_IS_SWAPPED,
        ..ScanArguments::default()
    };
    // SAFETY: the arguments are live, and the kernel writes at most `vector_length` regions to `vector`, which is `found`,
    // plain numbers borrowed for writing as long as this call lasts.
    let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arguments) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok((count as usize, arguments.walk_end)) }
}

/// Reads what is at `pieces` of `pid`, one piece after the other, into `room`: how much of it could be read.
pub(super) fn read_pieces(pid: i32, room: &mut [u8], pieces: &[(u64, usize)]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let remote: Vec<libc::iovec> = pieces
        .iter()
        .map(|&(address, length)| libc::iovec { iov_base: address as *mut libc::c_void, iov_len: length })
        .collect();
    // SAFETY: the one local vector is `room`, borrowed for writing as long as this call lasts; the remote ones are addresses
    // of the other process, which the kernel checks.
    let read =
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), remote.len() as libc::c_ulong, 0) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(read as usize) }
}

/// The size of a page of memory.
pub(super) fn page_size() -> u64 {
    // SAFETY: no memory is involved.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It always has one; what follows from another guess is only that ranges are rounded otherwise.
    u64::try_from(size).unwrap_or(4096)
}
