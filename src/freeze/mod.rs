//! The only moment the target feels: making a twin of it, or preparing it for a visit; and putting everything back.
//!
//! What runs in the target's own threads is a handful of system calls ([`inject`]), made by a process of ours that does
//! nothing else ([`keeper`]). All `unsafe` code of the house is in this folder.
#![allow(unsafe_code)]

mod copy;
mod fast_memory;
mod gil;
mod gil_site;
mod inject;
mod isolate;
mod keeper;
mod keeping;
mod landing;
mod landing_x86_64;
mod registers;
mod resident;
mod seccomp;
mod stacks;
mod sys;
mod sys_filter;
mod sys_memory;
#[cfg(test)]
mod tests;
mod threads;
mod twin;
mod visit;
mod x86_64;

pub(crate) use copy::{How, Stood, copy};
pub(crate) use fast_memory::read_memory;
pub(crate) use gil::{Candidate, GilSite, ThreadView, Way};
pub(crate) use keeper::{TwinAnswer, run as keep};
pub(crate) use keeping::{Keeper, Prepared, SUBCOMMAND, TwinOrReason};
pub(crate) use landing::{Call, Landing, Resume};
pub(crate) use registers::RegisterSet;
pub(crate) use stacks::Stacks;
pub(crate) use sys::kill;
pub(crate) use twin::libc_data;
pub(crate) use visit::VisitState;
