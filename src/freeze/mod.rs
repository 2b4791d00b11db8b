//! The only moment the target feels: making a twin of it, or preparing it for a visit; and putting everything back.
//!
//! What runs in the target's own threads is a handful of system calls (`inject`), made by a process of ours that does
//! nothing else ([`keeper`]). All `unsafe` code of the house is in this folder.
#![allow(unsafe_code)]
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "nothing is injected there"))]

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod copy;
mod fast_memory;
mod gil;
mod gil_site;
mod isolate;
mod keeper;
mod keeping;
mod landing;
mod registers;
mod residence;
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

/// What depends on the CPU: injecting, and the code of a landing.
#[cfg(target_arch = "x86_64")]
mod inject;
#[cfg(target_arch = "x86_64")]
mod landing_x86_64;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "aarch64")]
use aarch64::{self as cpu, Injector, landing as landing_code};
#[cfg(target_arch = "x86_64")]
use {inject::Injector, landing_x86_64 as landing_code, x86_64 as cpu};

pub(crate) use copy::{How, Stood, copy};
pub(crate) use gil::{Candidate, GilSite, ThreadView, Way};
pub(crate) use isolate::Purpose;
pub(crate) use keeper::{TwinAnswer, run as keep};
pub(crate) use keeping::{Keeper, Prepared, SUBCOMMAND, TwinOrReason};
pub(crate) use landing::{Call, Landing, Resume};
pub(crate) use registers::RegisterSet;
pub(crate) use residence::Residence;
pub(crate) use stacks::Stacks;
pub(crate) use sys::{kill, map_file};
pub(crate) use twin::libc_data;
pub(crate) use visit::VisitState;
