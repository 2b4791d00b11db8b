//! Which collector a plan means, and why: one answer for `analyze`, which takes it, and for `doctor`, which tells it.

use super::super::values::{Collector, Freeze};
use super::CollectPlan;

impl CollectPlan {
    /// Whether memory is read, rather than the interpreter asked.
    pub(crate) fn reads(&self) -> bool {
        match self.collector {
            Collector::Reader => true,
            Collector::Gdb => false,
            Collector::Auto => self.exec.is_none() && !self.probes.need_interpreter,
        }
    }

    /// Whether nobody has to hold a process for it, which somebody else may have stopped: it is read as it stands or runs.
    pub(crate) fn needs_no_hold(&self, stands: bool) -> bool {
        self.reads() && (stands || self.freeze == Freeze::Live)
    }

    pub(crate) fn why(&self) -> &'static str {
        match self.collector {
            Collector::Gdb | Collector::Reader => "it was asked for",
            Collector::Auto if self.exec.is_some() => "`-e` was given",
            Collector::Auto if self.probes.need_interpreter => "it runs probes in the target's own interpreter",
            Collector::Auto => "it sees the whole heap and runs nothing in the target",
        }
    }
}
