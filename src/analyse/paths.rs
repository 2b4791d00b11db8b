//! Why an object is alive: the shortest path from a root to it, through what holds it and not through weak references.
//!
//! One breadth-first search from all roots at once finds the paths to all objects. Roots start in order of preference, and
//! that order is kept at every distance: among equally short paths modules win over locals over the interpreter's own.

use super::Step;
use super::edges::{Edges, global};
use super::labels::{Label, append};
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
    /// Rows reached, the nearest to the roots first.
    order: Vec<u32>,
}

impl<'a, 'h> Paths<'a, 'h> {
    /// Searches: each object and each edge once.
    pub(crate) fn new(edges: &'a Edges<'h>) -> Paths<'a, 'h> {
        let heap = edges.heap;
        let mut parents = vec![UNREACHED; heap.len()];
        let mut roots: Vec<&(ObjectId, Root)> = heap.roots().iter().collect();
        roots.sort_by_key(|(object, root)| (preference(root), *object));
        let mut order = Vec::with_capacity(heap.len());
        for (object, _) in roots {
            if parents[object.index()] == UNREACHED {
                parents[object.index()] = ROOT;
                order.push(object.0);
            }
        }
        let mut next = 0;
        while let Some(&row) = order.get(next) {
            next += 1;
            for referent in edges.held(ObjectId(row)) {
                let parent = &mut parents[referent.index()];
                if *parent == UNREACHED {
                    *parent = row;
                    order.push(referent.0);
                }
            }
        }
        Paths { edges, parents, order }
    }

    /// From what a root holds to the object itself; none when no root leads to it.
    pub(super) fn to(&self, object: ObjectId) -> Option<Path<'h>> {
        if self.parents[object.index()] == UNREACHED {
            return None;
        }
        let mut rows = vec![object];
        // Ends: each parent was reached before its child.
        while let Some(parent) = self.parent(rows[rows.len() - 1]) {
            rows.push(parent);
        }
        rows.reverse();
        Some(self.path(&rows))
    }

    /// The referrer on the shortest path to the object; none for what a root holds and for what no root leads to.
    pub(super) fn parent(&self, object: ObjectId) -> Option<ObjectId> {
        Some(self.parents[object.index()]).filter(|parent| ![UNREACHED, ROOT].contains(parent)).map(ObjectId)
    }

    /// The rows that roots lead to, by distance from these.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The rows of a path as steps, those through an object's `__dict__` as one.
    fn path(&self, rows: &[ObjectId]) -> Path<'h> {
        let edges = self.edges;
        let mut path = Path { start: self.start(rows[0]), first: rows[0], steps: Vec::new() };
        let mut at = 0;
        while at + 1 < rows.len() {
            let (from, to) = (rows[at], rows[at + 1]);
            let position = edges.between(from, to).expect("the search came along an edge that holds");
            let attribute = rows.get(at + 2).and_then(|&value| {
                let position = edges.is_dict(from, position).then(|| edges.between(to, value)).flatten()?;
                Some((value, edges.through(edges.label(to, position))?))
            });
            let (reached, label, hops) = match attribute {
                Some((value, attribute)) => (value, attribute, 2),
                None => (to, edges.label(from, position), 1),
            };
            path.steps.push((reached, label));
            at += hops;
        }
        path
    }

    /// How the root that is preferred holds the object.
    pub(super) fn start(&self, object: ObjectId) -> Start<'h> {
        let roots = self.edges.heap.roots();
        let first = roots.partition_point(|(other, _)| *other < object);
        let own = roots[first..].iter().take_while(|(other, _)| *other == object);
        own.map(|(_, root)| root).min_by_key(|root| preference(root)).map_or(Start::Interpreter(""), Start::of)
    }
}

/// How a root holds what it holds. Names are as the target wrote them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Start<'h> {
    Module(&'h str),
    Global { name: &'h str, module: &'h str },
    Local { function: &'h str, variable: &'h str },
    Stack(&'h str),
    Interpreter(&'h str),
}

impl<'h> Start<'h> {
    pub(super) fn of(root: &'h Root) -> Start<'h> {
        match root {
            Root::Module { name } => Start::Module(name),
            Root::Local { function, variable } => match (function.strip_suffix(MODULE_CODE), &**variable) {
                (_, "") => Start::Stack(function),
                (Some(module), name) => Start::Global { name, module },
                (None, variable) => Start::Local { function, variable },
            },
            Root::Interpreter { name } => Start::Interpreter(name),
        }
    }

    /// As the contract writes the first step of a path.
    pub(super) fn written(self) -> String {
        match self {
            Start::Module(name) => format!("module {name}"),
            Start::Global { name, module } => global(name, module),
            Start::Local { function, variable } => format!("local {variable} of {function}"),
            Start::Stack(function) => format!("a value on the stack of {function}"),
            Start::Interpreter(name) => name.to_owned(),
        }
    }

    /// As the beginning of an expression, in Python where that is possible.
    pub(super) fn expression(self) -> String {
        match self {
            Start::Module(name) => name.to_owned(),
            Start::Global { name, module } => format!("{module}.{name}"),
            _ => format!("({})", self.written()),
        }
    }
}

/// The way from a root to an object.
#[derive(Debug)]
pub(super) struct Path<'h> {
    start: Start<'h>,
    first: ObjectId,
    /// What is reached by each step, the object itself last.
    steps: Vec<(ObjectId, Label)>,
}

impl Path<'_> {
    /// The path of the contract. What a module holds is its global; the module itself says nothing more.
    pub(super) fn steps(&self, edges: &Edges) -> Vec<Step> {
        let heap = edges.heap;
        let step = |object: ObjectId, edge: String| Step {
            address: heap.address(object),
            kind: heap.type_name_of(object).to_owned(),
            edge,
        };
        let mut steps = vec![step(self.first, self.start.written())];
        for (index, &(object, label)) in self.steps.iter().enumerate() {
            let edge = label.written(heap);
            match edges.written_as_global(self.first, &edge) {
                Some(global) if index == 0 => steps = vec![step(object, global)],
                _ => steps.push(step(object, edge)),
            }
        }
        steps
    }

    /// The path as one expression.
    pub(super) fn expression(&self, edges: &Edges) -> String {
        self.written(edges, self.steps.iter().map(|(_, label)| *label))
    }

    /// The same, for all that is in a container on the path.
    pub(super) fn place(&self, edges: &Edges, container: ObjectId) -> String {
        let outside = self.steps.iter().position(|(object, _)| *object == container).map_or(0, |index| index + 1);
        let alike = |label: Label| if label.is_subscript(edges.heap) { Label::Many } else { label };
        let label =
            |(index, &(_, label)): (usize, &(ObjectId, Label))| if index < outside { label } else { alike(label) };
        self.written(edges, self.steps.iter().enumerate().map(label))
    }

    fn written(&self, edges: &Edges, labels: impl Iterator<Item = Label>) -> String {
        let mut expression = self.start.expression();
        labels.for_each(|label| append(&mut expression, &label.written(edges.heap)));
        expression
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
        let path = Paths::new(&edges).to(object).map(|path| path.steps(&edges)).unwrap_or_default();
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
        let path = Paths::new(&edges).to(ObjectId(0)).expect("a root holds it");
        assert_eq!(path.steps(&edges)[0].edge, "a value on the stack of app.main");
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
