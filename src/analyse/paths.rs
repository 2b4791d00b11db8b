//! Why an object is alive: the shortest path from a root to it, through what holds it and not through weak references.
//!
//! One breadth-first search from all roots at once finds the paths to all objects. Roots start in order of preference, and
//! that order is kept at every distance: among equally short paths modules win over locals over the interpreter's own.

use super::Step;
use super::edges::{Edges, global};
use crate::heap::{ObjectId, Root};

/// The suffix of a module's own code among functions: its locals are the module's globals.
const MODULE_CODE: &str = ".<module>";

/// Parents in the search tree that are none: not reached, or a root.
const UNREACHED: u32 = u32::MAX;
const ROOT: u32 = u32::MAX - 1;

/// The search tree over a heap.
pub(crate) struct Paths<'a, 'h> {
    edges: &'a Edges<'h>,
    /// By row: from where the object was reached first.
    parents: Vec<u32>,
}

impl<'a, 'h> Paths<'a, 'h> {
    /// Searches: each object and each edge once.
    pub(crate) fn new(edges: &'a Edges<'h>) -> Paths<'a, 'h> {
        let heap = edges.heap;
        let mut parents = vec![UNREACHED; heap.len()];
        let mut roots: Vec<&(ObjectId, Root)> = heap.roots().iter().collect();
        roots.sort_by_key(|(object, root)| (preference(root), *object));
        let mut queue = Vec::with_capacity(heap.len());
        for (object, _) in roots {
            if parents[object.index()] == UNREACHED {
                parents[object.index()] = ROOT;
                queue.push(object.0);
            }
        }
        let mut next = 0;
        while let Some(&row) = queue.get(next) {
            next += 1;
            let object = ObjectId(row);
            let weak = edges.is_weak(object);
            for (position, &referent) in heap.referents(object).iter().enumerate() {
                let parent = &mut parents[referent as usize];
                if *parent == UNREACHED && (!weak || edges.holds(object, position)) {
                    *parent = row;
                    queue.push(referent);
                }
            }
        }
        Paths { edges, parents }
    }

    /// From what a root holds to the object itself; empty when no root leads to it.
    pub(crate) fn to(&self, object: ObjectId) -> Vec<Step> {
        if self.parents[object.index()] == UNREACHED {
            return Vec::new();
        }
        let mut rows = vec![object];
        // Ends: each parent was reached before its child.
        while let Some(&last) = rows.last() {
            match self.parents[last.index()] {
                ROOT => break,
                parent => rows.push(ObjectId(parent)),
            }
        }
        rows.reverse();
        self.steps(&rows)
    }

    /// The rows of a path as steps, those through an object's `__dict__` as one.
    fn steps(&self, rows: &[ObjectId]) -> Vec<Step> {
        let edges = self.edges;
        let mut steps = vec![self.step(rows[0], self.root_edge(rows[0]))];
        let mut at = 0;
        while at + 1 < rows.len() {
            let (from, to) = (rows[at], rows[at + 1]);
            let position = edges.between(from, to).expect("the search came along an edge that holds");
            let attribute = rows.get(at + 2).and_then(|&value| {
                let position = edges.is_dict(from, position).then(|| edges.between(to, value)).flatten()?;
                edges.heap.edge_name(to, position)?;
                Some((value, edges.written_through(to, position)))
            });
            let (reached, edge, hops) = match attribute {
                Some((value, attribute)) => (value, attribute, 2),
                None => (to, edges.written(from, position), 1),
            };
            match edges.written_as_global(from, &edge) {
                // What a module holds is its global; the module itself says nothing more.
                Some(global) if at == 0 => steps = vec![self.step(reached, global)],
                _ => steps.push(self.step(reached, edge)),
            }
            at += hops;
        }
        steps
    }

    fn step(&self, object: ObjectId, edge: String) -> Step {
        let heap = self.edges.heap;
        Step { address: heap.address(object), kind: heap.type_name_of(object).to_owned(), edge }
    }

    /// How the root that is preferred holds the object.
    fn root_edge(&self, object: ObjectId) -> String {
        let roots = self.edges.heap.roots();
        let first = roots.partition_point(|(other, _)| *other < object);
        let own = roots[first..].iter().take_while(|(other, _)| *other == object);
        match own.map(|(_, root)| root).min_by_key(|root| preference(root)) {
            Some(Root::Module { name }) => format!("module {name}"),
            Some(Root::Local { function, variable }) => match (function.strip_suffix(MODULE_CODE), &**variable) {
                (_, "") => format!("a value on the stack of {function}"),
                (Some(module), variable) => global(variable, module),
                (None, local) => format!("local {local} of {function}"),
            },
            Some(Root::Interpreter { name }) => name.clone(),
            None => String::new(),
        }
    }
}

/// Lower is told rather: first by kind, then by name, so that two runs of a program agree.
fn preference(root: &Root) -> (u8, &str, &str) {
    match root {
        Root::Module { name } => (0, name, ""),
        Root::Local { function, variable } => {
            let module = function.ends_with(MODULE_CODE) && !variable.is_empty();
            (if module { 0 } else { 1 }, function, variable)
        }
        Root::Interpreter { name } => (2, name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sample;
    use crate::units::Address;

    /// Checks the path to the object named `x`, which must be the last line that is no root.
    fn check(heap: &str, expected: &[&str]) {
        let heap = sample::heap(heap);
        let edges = Edges::new(&heap);
        let object = ObjectId(heap.len() as u32 - 1);
        let path = Paths::new(&edges).to(object);
        let written: Vec<_> = path.iter().map(|step| format!("{} {}", step.kind, step.edge)).collect();
        assert_eq!(written, expected);
        assert_eq!(path.last().map(|step| step.address), (!expected.is_empty()).then(|| heap.address(object)));
    }

    #[test]
    fn globals_attributes_keys_and_indexes_are_steps_of_python() {
        check(
            "m:builtins.module -> md.__dict__
             md:builtins.dict -> k['KEEP']
             k:builtins.list -> o, o
             o:app.Entry -> t, od.__dict__
             t:builtins.type
             od:builtins.dict -> p['payload']
             p:builtins.dict -> x['a b']
             x:app.X
             root m module __main__",
            &["builtins.list KEEP in module __main__", "app.Entry [0]", "builtins.dict .payload", "app.X ['a b']"],
        );
    }

    #[test]
    fn attributes_without_a_dict_are_the_same_step() {
        check(
            "m:builtins.module -> k.KEEP\nk:app.Entry -> x.payload\nx:app.X\nroot m module app",
            &["app.Entry KEEP in module app", "app.X .payload"],
        );
    }

    #[test]
    fn what_has_no_name_is_told_by_its_type() {
        check(
            "r:builtins.method -> x\nx:app.X\nroot r the-main-thread",
            &["builtins.method the-main-thread", "app.X (referent of builtins.method)"],
        );
    }

    #[test]
    fn roots_themselves_are_a_path() {
        check("x:builtins.module\nroot x module app", &["builtins.module module app"]);
        check("x:app.X\nroot x local app.main keep", &["app.X local keep of app.main"]);
        check("x:app.X\nroot x local app.<module> KEEP", &["app.X KEEP in module app"]);
        check("x:app.X\nroot x builtins", &["app.X builtins"]);
        check("x:app.X\nroot x builtins\nroot x local f v\nroot x module app", &["app.X module app"]);
    }

    #[test]
    fn a_value_without_a_name_is_on_a_stack() {
        let mut builder = crate::heap::HeapBuilder::default();
        let kind = builder.type_id("app.X");
        builder.object(Address(16), kind, 16, Default::default(), std::iter::empty());
        builder.root(Address(16), Root::Local { function: "app.main".into(), variable: String::new() });
        let (heap, _) = builder.finish();
        let edges = Edges::new(&heap);
        assert_eq!(Paths::new(&edges).to(ObjectId(0))[0].edge, "a value on the stack of app.main");
    }

    #[test]
    fn dicts_that_are_not_attributes_stay_steps() {
        // The dict of a module itself, a key that is no identifier, a dict that only looks like one.
        check(
            "m:builtins.module -> x.__dict__\nx:builtins.dict\nroot m module app",
            &["builtins.module module app", "builtins.dict .__dict__"],
        );
        check(
            "m:builtins.module -> d.__dict__\nd:builtins.dict -> x['a b']\nx:app.X\nroot m module app",
            &["builtins.module module app", "app.X .__dict__['a b']"],
        );
        check(
            "o:app.O -> d.data\nd:builtins.dict -> x['k']\nx:app.X\nroot o local f v",
            &["app.O local v of f", "builtins.dict .data", "app.X ['k']"],
        );
        check(
            "o:app.O -> d.__dict__\nd:builtins.dict -> x\nx:app.X\nroot o local f v",
            &["app.O local v of f", "builtins.dict .__dict__", "app.X (referent of builtins.dict)"],
        );
    }

    #[test]
    fn modules_on_the_way_are_attributes() {
        check(
            "m:builtins.module -> n.sub
             n:builtins.module -> d.__dict__
             d:builtins.dict -> x['X']
             x:app.X
             root m module pkg",
            &["builtins.module sub in module pkg", "app.X .X"],
        );
    }

    #[test]
    fn the_shortest_path_is_told() {
        check(
            "a:builtins.list -> b
             b:builtins.list -> x
             c:builtins.list -> x
             x:app.X
             root a module app
             root c sys",
            &["builtins.list sys", "app.X [0]"],
        );
    }

    #[test]
    fn of_equally_short_paths_the_kind_of_root_and_its_name_decide() {
        let heap =
            |roots: &str| format!("a:app.A -> x.a\nb:app.B -> x.b\nc:app.C -> x.c\nd:app.D -> x.d\nx:app.X\n{roots}");
        let all = "root a sys\nroot b local f v\nroot c module zoo\nroot d module app";
        check(&heap(all), &["app.X d in module app"]);
        check(&heap("root a sys\nroot b local f v"), &["app.B local v of f", "app.X .b"]);
        check(&heap("root a sys\nroot b builtins"), &["app.B builtins", "app.X .b"]);
    }

    #[test]
    fn weak_references_do_not_count() {
        check(
            "r:weakref.ReferenceType -> x.referent
             s:builtins.list -> r
             x:app.X
             root s module app",
            &[],
        );
        check(
            "r:weakref.KeyedRef -> x.__callback__\nx:builtins.function\nroot r sys",
            &["weakref.KeyedRef sys", "builtins.function .__callback__"],
        );
    }

    #[test]
    fn cycles_and_what_no_root_reaches_end() {
        check("a:builtins.list -> a, x\nx:builtins.list -> a, x", &[]);
        check(
            "a:builtins.list -> a, x\nx:builtins.list -> a, x\nroot a sys",
            &["builtins.list sys", "builtins.list [1]"],
        );
    }
}
