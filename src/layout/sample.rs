//! Layouts for tests that have no interpreter: those of the tables, and spoilt ones.

use super::table::{Table, tables};
use super::{Layout, MAX_OFFSET, Origin};
use crate::target::version::Version;

impl Layout {
    /// Those of all tables. 3.6 has its statics from `statics` on, a word each.
    pub(crate) fn of_tables(statics: u64) -> Vec<(Version, Layout)> {
        let layout = |table: Table| {
            let names = ["interp_head", "_PyGC_generation0", "collecting", "_Py_Finalizing"];
            let statics = names.into_iter().zip((statics..).step_by(8));
            let statics = statics.filter(|_| !table.version.at_least(3, 7)).collect();
            (table.version, Layout { origin: Origin::Table(table.name), found: table.found, statics })
        };
        tables().map(layout).collect()
    }

    /// Another one with an offset, counted from the first on, that is `value`; what no layout can have is cut.
    pub(crate) fn spoil(&mut self, number: usize, value: u64) {
        let objects = self.found.objects.values_mut().flat_map(|members| members.values_mut());
        let mut all: Vec<&mut u64> = self.found.offsets.values_mut().chain(objects).collect();
        let at = number % all.len();
        *all[at] = value % MAX_OFFSET;
    }
}
