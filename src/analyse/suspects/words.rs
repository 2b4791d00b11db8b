//! Suspects as sentences. Names in them are as the target wrote them, and whoever shows them escapes them.

use super::super::dominators::Dominators;
use super::super::edges::Edges;
use super::super::paths::Paths;
use super::{Found, Layer, What};
use crate::heap::Suspect;
use crate::units::Bytes;

/// Longest name and longest expression in a sentence, in characters.
const NAME: usize = 120;
const EXPRESSION: usize = 200;
/// As many types are named below a type.
const LAYERS: usize = 3;
/// Of a longer path the middle is left out.
const STEPS: usize = 60;

pub(super) fn told(found: &Found, edges: &Edges, tree: &Dominators, paths: &Paths) -> Suspect {
    let heap = edges.heap;
    let &Found { ref what, object, weight } = found;
    let own = brief(heap.type_name_of(object), NAME);
    let path = paths.to(object);
    let expression = path.as_ref().map(|path| brief(&path.expression(edges), EXPRESSION));
    let place = expression.unwrap_or_else(|| format!("the object at {}", heap.address(object)));
    let retained_bytes = tree.retained(object).unwrap_or(0);
    let share = weight as f64 / tree.total().max(1) as f64;
    let part =
        |bytes: u64| format!("{} ({:.1} % of all)", Bytes(bytes), bytes as f64 * 100.0 / tree.total().max(1) as f64);
    let objects =
        |layer: &Layer| format!("{} objects of type {}", layer.count, brief(heap.type_name(layer.kind), NAME));
    let (rule, text) = match what {
        What::Accumulation(layers) => {
            let (first, rest) =
                layers.split_first().map_or((None, layers.as_slice()), |(first, rest)| (Some(first), rest));
            let first = first.map_or_else(String::new, objects);
            let hold = |layer: &Layer| format!(", which mostly hold {}", brief(heap.type_name(layer.kind), NAME));
            let rest: String = rest.iter().take(LAYERS).map(hold).collect();
            ("accumulation", format!("{place} ({own}) retains {}: it keeps {first}{rest}", part(retained_bytes)))
        }
        What::LargeObject => ("large-object", format!("{place} is a single {own} of {}", part(heap.size(object)))),
        What::Chain(count) => {
            let text = format!("{place} is the first of {count} objects of type {own} each of which keeps the next");
            ("chain", format!("{text}: it retains {}", part(retained_bytes)))
        }
        What::Shared(layer) => {
            let text = format!("{place} ({own}) refers to {}, which are held by others as well", objects(layer));
            ("shared", format!("{text}: {} are reached through it", part(weight)))
        }
        What::Growth { taken, example, more } => {
            let newcomers = paths.to(*example).map(|path| brief(&path.place(edges, object), EXPRESSION));
            let newcomers = newcomers.unwrap_or_default();
            let kind = brief(heap.type_name(*taken), NAME);
            let text = format!("{place} ({own}) took {more} new objects of type {kind}, at {newcomers}");
            ("growth", format!("{text}: {} more than in the earlier snapshot", part(weight)))
        }
        What::Larger { by } => {
            ("growth", format!("{place} is a single {own}, by {} larger than in the earlier snapshot", part(*by)))
        }
    };
    let mut path_to_root = path.map(|path| path.steps(edges)).unwrap_or_default();
    if path_to_root.len() > STEPS {
        let left_out = path_to_root.len() - STEPS;
        path_to_root.drain(STEPS / 2..STEPS / 2 + left_out);
        let after = &mut path_to_root[STEPS / 2].edge;
        *after = format!("… {left_out} more … {after}");
    }
    Suspect {
        rule: rule.to_owned(),
        text,
        kind: heap.type_name_of(object).to_owned(),
        address: heap.address(object),
        retained_bytes,
        share: (share * 1e4).round() / 1e4,
        count_delta: if let What::Growth { more, .. } = what { Some(*more) } else { None },
        path_to_root,
    }
}

/// A name with its middle left out where it is long.
fn brief(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let half = limit / 2;
    let (head, tail): (String, String) = (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
    format!("{head}…{tail}")
}
