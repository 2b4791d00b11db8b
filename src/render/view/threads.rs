//! Threads with their Python stacks: one line per frame, with the types of its locals, never their values.

use super::super::document::{Block, Document, Line, Role, Tree};
use super::{counted, more};
use crate::heap::{Frame, LocalVariable, ThreadFacts};

/// What is shown; JSON has all of it.
const MAX_THREADS: usize = 8;
const MAX_FRAMES: usize = 10;
const MAX_LOCALS: usize = 6;

pub(super) fn threads(out: &mut Document, threads: &[ThreadFacts]) {
    if threads.is_empty() {
        return;
    }
    out.heading(2, format!("{} with a Python stack, innermost frame first", counted(threads.len() as u64, "thread")));
    for thread in threads.iter().take(MAX_THREADS) {
        out.push(Block::Tree(stack(thread)));
    }
    if let Some(line) = more(threads.len().min(MAX_THREADS), threads.len() as u64) {
        out.push(Block::Tree(Tree::leaf(line)));
    }
}

fn stack(thread: &ThreadFacts) -> Tree {
    let name = if thread.name.is_empty() { "(no name)" } else { &thread.name };
    let line = Line::new().with(Role::Strong, name).with(Role::Dim, format!("  {:#x}", thread.ident));
    let mut children: Vec<Tree> = thread.frames.iter().take(MAX_FRAMES).map(frame).collect();
    children.extend(more(children.len(), thread.frames.len() as u64).map(Tree::leaf));
    Tree { line, children }
}

fn frame(frame: &Frame) -> Tree {
    let mut line = Line::text(frame.function.as_str()).plain("  ");
    line = line.with(Role::Path, frame.file.as_str()).with(Role::Dim, format!(":{}", frame.line));
    for (index, local) in frame.locals.iter().take(MAX_LOCALS).enumerate() {
        line = line.plain(if index == 0 { "  " } else { ", " });
        line = variable(line, local);
    }
    if frame.locals.len() > MAX_LOCALS {
        line = line.with(Role::Dim, format!(", … {} more", frame.locals.len() - MAX_LOCALS));
    }
    Tree::leaf(line)
}

fn variable(line: Line, local: &LocalVariable) -> Line {
    let line = if local.name.is_empty() { line } else { line.with(Role::Edge, local.name.as_str()).plain(": ") };
    // Built-in types go without their module here: the line is long enough.
    line.with(Role::Kind, local.kind.strip_prefix("builtins.").unwrap_or(&local.kind))
}
