//! Tests of the program as its users meet it: the binary alone, on real interpreters, through a real GDB.
//!
//! Nothing here knows a type of the crate. What is true of a heap the target says itself (tests/programs/oracle.py). What
//! this machine lacks is printed, never silently left out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod arrays;
mod cores;
mod deaths;
mod errors;
mod garbage;
mod groups;
mod growth;
mod live;
mod matrix;
mod places;
mod reader;
mod reports;
mod sql;
mod stop;
mod support;
mod suspects;
mod tidy;
mod twins;
mod users;
mod walks;
mod waste;
mod zoo;
