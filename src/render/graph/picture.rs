//! What is in a picture: the neighbourhood of one object, small enough to be read.
//!
//! Walks breadth first from the object, along or against the references, a few steps deep and a few neighbours wide, and says
//! at each object how many more there are. An attribute is one edge, as in Python: `.__dict__` and `['k']` become `.k`.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::heap::{Heap, ObjectId, Root};
use crate::units::Bytes;

/// Neighbours drawn of an object, by its distance from the focus; deeper there are none.
const MAX_NEIGHBOURS: [usize; 3] = [8, 4, 3];
const MAX_NODES: usize = 60;
/// Neighbours that are looked at to choose the ones that are drawn.
const MAX_CANDIDATES: usize = 200;
/// Referents of a referrer that are searched for the name of its edge.
const MAX_SEARCH: usize = 100_000;
/// Referents of an object that are searched for its `__dict__`.
const MAX_OWNER_SEARCH: usize = 256;

/// Along the references, or against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// What the object refers to.
    Referents,
    /// What refers to the object, up to roots.
    Referrers,
}

/// Nodes and edges in the order in which they were found; the first node is the focus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) direction: Direction,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The first is the name, the others are details.
    pub(crate) lines: Vec<String>,
    pub(crate) role: Role,
    /// Neighbours in the direction of the picture that are not drawn.
    pub(crate) omitted: u64,
}

/// What a node is, from which it gets its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Focus,
    Module,
    Frame,
    /// What else the interpreter holds by itself.
    Interpreter,
    Container,
    Instance,
    Other,
}

/// A reference; always from the referrer to the referent, whichever way the picture was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) label: String,
}

/// The surroundings of `focus` in one direction.
pub(crate) fn picture(heap: &Heap, focus: ObjectId, direction: Direction) -> Picture {
    let name = format!("{} at {}", heap.type_name_of(focus), heap.address(focus));
    let title = match direction {
        Direction::Referents => format!("What {name} refers to"),
        Direction::Referrers => format!("What refers to {name}"),
    };
    let picture = Picture { title, direction, nodes: Vec::new(), edges: Vec::new() };
    let globals = if direction == Direction::Referrers { globals(heap) } else { FxHashMap::default() };
    let mut walk = Walk { heap, picture, globals, rows: FxHashMap::default(), queue: VecDeque::new() };
    walk.reach(focus, 0);
    walk.picture.nodes[0].role = Role::Focus;
    while let Some((object, depth)) = walk.queue.pop_front() {
        walk.expand(object, depth);
    }
    walk.picture
}

/// A neighbour and how the step between it and the object is written.
struct Neighbour {
    object: ObjectId,
    label: String,
    /// The place among the neighbours; the least are drawn.
    rank: u8,
}

struct Walk<'a> {
    heap: &'a Heap,
    picture: Picture,
    /// The modules by their `__dict__`: it may have more referrers (all functions of the module) than are looked at.
    globals: FxHashMap<ObjectId, ObjectId>,
    /// Which node an object is, and its distance from the focus.
    rows: FxHashMap<ObjectId, (usize, usize)>,
    queue: VecDeque<(ObjectId, usize)>,
}

impl Walk<'_> {
    /// The node of an object, made if there is room for it.
    fn reach(&mut self, object: ObjectId, depth: usize) -> Option<usize> {
        if let Some(&(node, _)) = self.rows.get(&object) {
            return Some(node);
        }
        if self.picture.nodes.len() >= MAX_NODES {
            return None;
        }
        let node = self.picture.nodes.len();
        self.picture.nodes.push(self.node(object));
        self.rows.insert(object, (node, depth));
        self.queue.push_back((object, depth));
        Some(node)
    }

    fn node(&self, object: ObjectId) -> Node {
        let kind = self.heap.type_name_of(object);
        let detail = format!("{}  {}", Bytes(self.heap.size(object)), self.heap.address(object));
        let module = self.roots_of(object).find_map(|root| match root {
            Root::Module { name } => Some(name),
            Root::Local { .. } | Root::Interpreter { .. } => None,
        });
        let (name, role) = match module {
            Some(name) => (format!("module {name}"), Role::Module),
            None => (kind.to_owned(), role(kind)),
        };
        Node { lines: vec![name, detail], role, omitted: 0 }
    }

    fn roots_of(&self, object: ObjectId) -> impl Iterator<Item = &Root> {
        let roots = self.heap.roots();
        let start = roots.partition_point(|(of, _)| *of < object);
        roots[start..].iter().take_while(move |(of, _)| *of == object).map(|(_, root)| root)
    }

    fn expand(&mut self, object: ObjectId, depth: usize) {
        let (node, _) = self.rows[&object];
        let backward = self.picture.direction == Direction::Referrers;
        if backward && self.root_nodes(object, node) {
            return;
        }
        let (mut neighbours, all) = if backward { self.referrers(object) } else { self.referents(object) };
        // Stable: of equals the first in the order of the type, or by address, come first.
        neighbours.sort_by_key(|neighbour| neighbour.rank);
        let limit = MAX_NEIGHBOURS.get(depth).copied().unwrap_or(0);
        let mut drawn = 0;
        for neighbour in neighbours {
            // Where the picture ends, an edge between neighbours that are in it anyway still tells something. One that
            // leads further back does not: something that holds everything would be tied to every object.
            let near = self.rows.get(&neighbour.object).is_some_and(|&(_, distance)| distance + 1 >= depth);
            let room = if limit > 0 { drawn < limit } else { near && drawn < MAX_NEIGHBOURS[0] };
            if !room {
                continue;
            }
            let Some(other) = self.reach(neighbour.object, depth + 1) else { continue };
            let (from, to) = if backward { (other, node) } else { (node, other) };
            self.picture.edges.push(Edge { from, to, label: neighbour.label });
            drawn += 1;
        }
        self.picture.nodes[node].omitted = all.saturating_sub(drawn as u64);
    }

    /// Draws what holds `object` by itself; true where the way back ends here.
    fn root_nodes(&mut self, object: ObjectId, node: usize) -> bool {
        let mut ends = false;
        let roots: Vec<Root> = self.roots_of(object).take(MAX_NEIGHBOURS[0]).cloned().collect();
        for root in roots {
            let (name, role, label) = match root {
                // The node says so itself, and who imports a module is of no interest.
                Root::Module { .. } => {
                    ends = node != 0;
                    continue;
                }
                Root::Local { function, variable } => (format!("frame of {function}"), Role::Frame, variable),
                Root::Interpreter { name } => (format!("interpreter: {name}"), Role::Interpreter, String::new()),
            };
            let lines = vec![name];
            let known = self.picture.nodes.iter().position(|node| node.lines == lines && node.role == role);
            if known.is_none() && self.picture.nodes.len() >= MAX_NODES {
                continue;
            }
            let from = known.unwrap_or_else(|| {
                self.picture.nodes.push(Node { lines, role, omitted: 0 });
                self.picture.nodes.len() - 1
            });
            self.picture.edges.push(Edge { from, to: node, label });
        }
        ends
    }

    /// What `object` refers to, as far as it is looked at, and how many that are in all.
    fn referents(&self, object: ObjectId) -> (Vec<Neighbour>, u64) {
        let rows = self.heap.referents(object);
        let mut found: Vec<Neighbour> = Vec::new();
        let mut all = rows.len() as u64;
        for (position, &row) in rows.iter().enumerate().take(MAX_CANDIDATES) {
            let (referent, label) = (ObjectId(row), self.edge(object, position));
            if label == DICT && self.is_dict(referent) {
                all -= 1;
                for (position, &row) in self.heap.referents(referent).iter().enumerate().take(2 * MAX_CANDIDATES) {
                    let label = self.edge(referent, position);
                    // The names of the attributes are on the edges.
                    if label != KEY {
                        all += 1;
                        found.push(neighbour(ObjectId(row), attribute(&label)));
                    }
                }
            } else {
                found.push(neighbour(referent, label));
            }
        }
        (found, all)
    }

    /// What refers to `object`, as far as it is looked at, and how many that are in all.
    fn referrers(&self, object: ObjectId) -> (Vec<Neighbour>, u64) {
        let rows = self.heap.referrers(object);
        let mut found: Vec<Neighbour> = Vec::new();
        let mut last = None;
        for &row in rows.iter().take(MAX_CANDIDATES) {
            // An object that refers to another several times is a referrer several times.
            if last.replace(row) == Some(row) {
                continue;
            }
            let referrer = ObjectId(row);
            for label in edges_between(self.heap, referrer, object, MAX_SEARCH) {
                match self.owner_of_dict(referrer) {
                    Some(owner) => found.push(neighbour(owner, attribute(&label))),
                    None => found.push(neighbour(referrer, label)),
                }
            }
        }
        for neighbour in &mut found {
            if self.roots_of(neighbour.object).next().is_some() {
                neighbour.rank = 0;
            }
        }
        (found, rows.len() as u64)
    }

    /// The instance or module whose `__dict__` this is.
    fn owner_of_dict(&self, dict: ObjectId) -> Option<ObjectId> {
        if !self.is_dict(dict) {
            return None;
        }
        if let Some(&module) = self.globals.get(&dict) {
            return Some(module);
        }
        let mut referrers = self.heap.referrers(dict).iter().take(MAX_CANDIDATES).map(|&row| ObjectId(row));
        referrers.find(|&owner| edges_between(self.heap, owner, dict, MAX_OWNER_SEARCH).iter().any(|l| l == DICT))
    }

    fn is_dict(&self, object: ObjectId) -> bool {
        self.heap.type_name_of(object) == "builtins.dict"
    }

    fn edge(&self, object: ObjectId, position: usize) -> String {
        edge(self.heap, object, position)
    }
}

const DICT: &str = ".__dict__";
/// The edge from a dict to a key of it.
const KEY: &str = "key";

fn globals(heap: &Heap) -> FxHashMap<ObjectId, ObjectId> {
    let modules =
        heap.roots().iter().filter(|(_, root)| matches!(root, Root::Module { .. })).map(|(module, _)| *module);
    let mut out = FxHashMap::default();
    for module in modules {
        for (position, &row) in heap.referents(module).iter().enumerate().take(MAX_OWNER_SEARCH) {
            if heap.edge_name(module, position).as_deref() == Some(DICT) {
                out.insert(ObjectId(row), module);
            }
        }
    }
    out
}

/// How the steps from `from` to `to` are written; one without a name where the search ends before it is found.
fn edges_between(heap: &Heap, from: ObjectId, to: ObjectId, limit: usize) -> Vec<String> {
    let rows = heap.referents(from).iter().take(limit).enumerate();
    let labels = rows.filter(|&(_, &row)| row == to.0).map(|(position, _)| edge(heap, from, position));
    let labels: Vec<String> = labels.take(MAX_NEIGHBOURS[0]).collect();
    if labels.is_empty() { vec![String::new()] } else { labels }
}

fn edge(heap: &Heap, object: ObjectId, position: usize) -> String {
    heap.edge_name(object, position).map(|name| name.into_owned()).unwrap_or_default()
}

fn neighbour(object: ObjectId, label: String) -> Neighbour {
    // Steps with a name first: without one are the keys of a dict and what else a type holds for itself.
    let rank = match label.as_str() {
        "" | ".__class__" => 2,
        _ => 1,
    };
    Neighbour { object, label, rank }
}

/// `['k']` in the `__dict__` of something as the attribute `.k`, where that can be written so in Python.
fn attribute(key: &str) -> String {
    let name = key.strip_prefix("['").and_then(|key| key.strip_suffix("']")).unwrap_or_default();
    let starts = name.starts_with(|c: char| c == '_' || c.is_alphabetic());
    if starts && name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
        return format!(".{name}");
    }
    if key.is_empty() { String::new() } else { format!(".__dict__{key}") }
}

fn role(kind: &str) -> Role {
    match kind {
        "builtins.module" => Role::Module,
        "builtins.frame" => Role::Frame,
        "builtins.dict" | "builtins.list" | "builtins.tuple" | "builtins.set" | "builtins.frozenset" => Role::Container,
        kind if kind.starts_with("collections.") => Role::Container,
        kind if kind.starts_with("builtins.") => Role::Other,
        _ => Role::Instance,
    }
}
