//! Where everything goes: layers from left to right by distance from the focus, so that an arrow to the right is a reference.
//!
//! Boxes of a layer never overlap and stand as near to the middle of their neighbours as that allows; every edge has its
//! own place at the side of its boxes and a straight piece that carries its label. Units are pixels. Deterministic.

use std::collections::VecDeque;

use super::picture::{Direction, Picture, Role};
use crate::render::text::shorten;
use crate::units::printable;

/// The advance of the PNG's font, which the SVG's font size is chosen to fit.
pub(super) const CHAR_WIDTH: f32 = 7.0;
pub(super) const LINE_HEIGHT: f32 = 17.0;
pub(super) const PADDING: f32 = 9.0;
pub(super) const MARGIN: f32 = 24.0;
/// Between two boxes of a layer.
const BOX_GAP: f32 = 14.0;
/// Between the places of two edges at a box: a label fits in between.
const PORT_GAP: f32 = 18.0;
/// What an edge has for its curve, beside its label.
const BEND: f32 = 64.0;
/// How far an edge within a layer reaches out of it.
const LOOP: f32 = 26.0;
const ARROW: f32 = 9.0;
const MAX_NAME: usize = 44;
const MAX_LABEL: usize = 28;
const MAX_LINES: usize = 4;
/// Nodes and edges of a picture that are laid out; [`super::picture`] makes far fewer.
const MAX_NODES: usize = 200;
const MAX_EDGES: usize = 400;
/// Passes over the layers that align boxes with their neighbours.
const PASSES: usize = 8;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) boxes: Vec<Placed>,
    pub(super) arrows: Vec<Arrow>,
}

#[derive(Debug)]
pub(super) struct Placed {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
    /// The name and details, cut to size.
    pub(super) lines: Vec<String>,
    /// The name in full.
    pub(super) name: String,
    pub(super) role: Role,
    /// `+ 12 more`, or nothing.
    pub(super) more: String,
}

impl Placed {
    /// The lines of the box from the top, and whether one is the name.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, bool)> {
        let lines = self.lines.iter().enumerate().map(|(index, line)| (line.as_str(), index == 0));
        lines.chain([(self.more.as_str(), false)]).filter(|(line, _)| !line.is_empty())
    }

    /// The top of the first line; the lines stand in the middle of the box.
    pub(super) fn first_line(&self) -> f32 {
        self.y + (self.height - self.rows().count() as f32 * LINE_HEIGHT) / 2.0
    }
}

#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    /// The middle of the label.
    pub(super) label_at: (f32, f32),
    /// The tail; lines and cubic curves from there.
    pub(super) start: (f32, f32),
    pub(super) pieces: Vec<Piece>,
    /// The head points to the right (or to the left).
    pub(super) points_right: bool,
    /// Against the direction of the picture, or within a layer.
    pub(super) back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Piece {
    Line((f32, f32)),
    Curve((f32, f32), (f32, f32), (f32, f32)),
}

impl Arrow {
    pub(super) fn tip(&self) -> (f32, f32) {
        match self.pieces.last() {
            Some(Piece::Line(to) | Piece::Curve(_, _, to)) => *to,
            None => self.start,
        }
    }

    /// The head as a triangle, the tip first.
    pub(super) fn head(&self) -> [(f32, f32); 3] {
        let (x, y) = self.tip();
        let back = if self.points_right { x - ARROW } else { x + ARROW };
        [(x, y), (back, y - ARROW * 0.45), (back, y + ARROW * 0.45)]
    }
}

/// An edge with the layers it joins: `left` and `right` are the boxes by place, whichever way the arrow points.
struct Link {
    left: usize,
    right: usize,
    label: String,
    points_right: bool,
    same_layer: bool,
}

impl Link {
    /// Both boxes and on which of their sides (0 left, 1 right) the link is. One within a layer keeps to the side where no
    /// edge across has its label.
    fn ends(&self, direction: Direction) -> [(usize, usize); 2] {
        match (self.same_layer, direction) {
            (false, _) => [(self.left, 1), (self.right, 0)],
            (true, Direction::Referents) => [(self.left, 1), (self.right, 1)],
            (true, Direction::Referrers) => [(self.left, 0), (self.right, 0)],
        }
    }
}

pub(super) fn scene(picture: &Picture) -> Scene {
    let mut boxes: Vec<Placed> =
        picture.nodes.iter().take(MAX_NODES).map(|node| placed(node, picture.direction)).collect();
    let ends: Vec<(usize, usize, &str)> = picture
        .edges
        .iter()
        .take(MAX_EDGES)
        .filter(|edge| edge.from < boxes.len() && edge.to < boxes.len())
        .map(|edge| (edge.from, edge.to, edge.label.as_str()))
        .collect();
    let (layer_of, layers) = layers(boxes.len(), &ends, picture.direction);
    let links: Vec<Link> = ends
        .iter()
        .map(|&(from, to, label)| {
            let points_right = layer_of[from] <= layer_of[to];
            let (left, right) = if points_right { (from, to) } else { (to, from) };
            let label = shorten(&printable(label, MAX_LABEL * 4), MAX_LABEL);
            Link { left, right, label, points_right, same_layer: layer_of[from] == layer_of[to] }
        })
        .collect();

    // A box is as high as its edges need.
    for (index, placed) in boxes.iter_mut().enumerate() {
        let mut ports = [0usize; 2];
        for link in &links {
            for (node, side) in link.ends(picture.direction) {
                ports[side] += usize::from(node == index);
            }
        }
        let ports = ports[0].max(ports[1]);
        placed.height = placed.height.max(ports as f32 * PORT_GAP + PADDING);
    }
    let order = columns(&mut boxes, &layers, &links, &layer_of);
    let title = shorten(&printable(&picture.title, MAX_NAME * 8), MAX_NAME * 2);
    let top = MARGIN + LINE_HEIGHT * 2.0;
    let highest = boxes.iter().map(|b| b.y).fold(f32::INFINITY, f32::min);
    for placed in &mut boxes {
        placed.y = (placed.y - highest + top).round();
    }
    let width = widths(&mut boxes, &order, &links, &layer_of, picture.direction);
    let height = boxes.iter().map(|b| b.y + b.height).fold(top, f32::max) + MARGIN;
    let arrows = arrows(&boxes, &links, &ends, picture.direction);
    let width = width.max(title.chars().count() as f32 * CHAR_WIDTH + 2.0 * MARGIN);
    Scene { title, width, height, boxes, arrows }
}

fn placed(node: &super::Node, direction: Direction) -> Placed {
    let clean = |text: &String| shorten(&printable(text, MAX_NAME * 8), MAX_NAME);
    let lines: Vec<String> = node.lines.iter().take(MAX_LINES).map(clean).collect();
    let what = match direction {
        Direction::Referents => "referent",
        Direction::Referrers => "referrer",
    };
    let more = match node.omitted {
        0 => String::new(),
        1 => format!("+ 1 more {what}"),
        n => format!("+ {n} more {what}s"),
    };
    let columns = lines.iter().chain([&more]).map(|line| line.chars().count()).max().unwrap_or(0);
    let rows = lines.len() + usize::from(!more.is_empty());
    Placed {
        x: 0.0,
        y: 0.0,
        width: columns as f32 * CHAR_WIDTH + 2.0 * PADDING,
        height: rows.max(1) as f32 * LINE_HEIGHT + 2.0 * PADDING - 4.0,
        name: node.lines.first().map(|name| printable(name, 1000)).unwrap_or_default(),
        lines,
        role: node.role,
        more,
    }
}

/// The layer of each node, from the left, and the nodes of each layer in the order in which they were found.
///
/// The layer is the distance from the focus, so that an edge in the direction of the picture never skips one.
fn layers(count: usize, ends: &[(usize, usize, &str)], direction: Direction) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut distance = vec![usize::MAX; count];
    let mut queue = VecDeque::new();
    if count > 0 {
        distance[0] = 0;
        queue.push_back(0);
    }
    while let Some(node) = queue.pop_front() {
        for &(from, to, _) in ends {
            let (near, far) = if direction == Direction::Referents { (from, to) } else { (to, from) };
            if near == node && distance[far] == usize::MAX {
                distance[far] = distance[node] + 1;
                queue.push_back(far);
            }
        }
    }
    let last = distance.iter().filter(|d| **d != usize::MAX).max().copied().unwrap_or(0);
    let layer = |distance: usize| {
        let distance = distance.min(last);
        if direction == Direction::Referents { distance } else { last - distance }
    };
    let layer_of: Vec<usize> = distance.into_iter().map(layer).collect();
    let mut layers = vec![Vec::new(); last + 1];
    for (node, &layer) in layer_of.iter().enumerate() {
        layers[layer].push(node);
    }
    (layer_of, layers)
}

/// Puts the boxes of each layer in order and at a height; says the order.
fn columns(boxes: &mut [Placed], layers: &[Vec<usize>], links: &[Link], layer_of: &[usize]) -> Vec<Vec<usize>> {
    let mut layers = layers.to_vec();
    for layer in &layers {
        let mut y = 0.0;
        for &node in layer {
            boxes[node].y = y;
            y += boxes[node].height + BOX_GAP;
        }
    }
    for pass in 0..PASSES {
        let forward = pass % 2 == 0;
        let count = layers.len();
        for step in 1..count {
            let index = if forward { step } else { count - 1 - step };
            let beside = if forward { index - 1 } else { index + 1 };
            let wish: Vec<f32> = layers[index]
                .iter()
                .map(|&node| {
                    let of =
                        |other: usize| (layer_of[other] == beside).then(|| boxes[other].y + boxes[other].height / 2.0);
                    let near: Vec<f32> = links
                        .iter()
                        .filter(|link| !link.same_layer)
                        .filter_map(|link| {
                            if link.left == node {
                                of(link.right)
                            } else if link.right == node {
                                of(link.left)
                            } else {
                                None
                            }
                        })
                        .collect();
                    let centre = boxes[node].y + boxes[node].height / 2.0;
                    if near.is_empty() { centre } else { near.iter().sum::<f32>() / near.len() as f32 }
                })
                .collect();
            let mut order: Vec<usize> = (0..layers[index].len()).collect();
            order.sort_by(|&a, &b| wish[a].total_cmp(&wish[b]));
            let nodes: Vec<usize> = order.iter().map(|&at| layers[index][at]).collect();
            let wish: Vec<f32> = order.iter().map(|&at| wish[at]).collect();
            let heights: Vec<f32> = nodes.iter().map(|&node| boxes[node].height).collect();
            for (&node, y) in nodes.iter().zip(spread(&wish, &heights)) {
                boxes[node].y = y;
            }
            layers[index] = nodes;
        }
    }
    layers
}

/// Tops of boxes in this order, without overlap, with their middles as near as possible to what each wishes (least squares:
/// "pool adjacent violators", Barlow et al., Statistical Inference under Order Restrictions, 1972).
fn spread(wish: &[f32], heights: &[f32]) -> Vec<f32> {
    // In coordinates from which what stands above a box is subtracted, "no overlap" is "ascending".
    let mut above = 0.0;
    let mut pools: Vec<(f32, usize)> = Vec::new();
    for (middle, height) in wish.iter().zip(heights) {
        pools.push((middle - height / 2.0 - above, 1));
        above += height + BOX_GAP;
        while let [.., (a, n), (b, m)] = pools[..]
            && a > b
        {
            pools.truncate(pools.len() - 2);
            pools.push(((a * n as f32 + b * m as f32) / (n + m) as f32, n + m));
        }
    }
    let mut above = 0.0;
    let tops = pools.iter().flat_map(|&(top, count)| std::iter::repeat_n(top, count));
    tops.zip(heights)
        .map(|(top, height)| {
            let y = top + above;
            above += height + BOX_GAP;
            y
        })
        .collect()
}

/// Puts the layers beside each other, all boxes of one as wide as its widest; says the width of it all.
fn widths(boxes: &mut [Placed], order: &[Vec<usize>], links: &[Link], layer_of: &[usize], direction: Direction) -> f32 {
    // The gap in which a link has its label, by the layer to its right: see `across` and `within`.
    let gap = |link: &Link| match direction {
        Direction::Referents => layer_of[link.right] + usize::from(link.same_layer),
        Direction::Referrers => layer_of[link.left] + usize::from(!link.same_layer),
    };
    let room = |index: usize| {
        let widest = |same_layer: bool| {
            let here = links.iter().filter(|link| link.same_layer == same_layer && gap(link) == index);
            here.map(|link| label_width(&link.label)).max_by(f32::total_cmp)
        };
        let between = if index > 0 && index < order.len() { BEND } else { 0.0 };
        between + widest(false).unwrap_or(0.0) + widest(true).map_or(0.0, |label| LOOP + label)
    };
    let mut x = MARGIN;
    for (index, layer) in order.iter().enumerate() {
        x += room(index);
        let width = layer.iter().map(|&node| boxes[node].width).fold(0.0, f32::max);
        for &node in layer {
            boxes[node].x = x;
            boxes[node].width = width;
        }
        x += width;
    }
    x + room(order.len()) + MARGIN
}

pub(super) fn label_width(label: &str) -> f32 {
    if label.is_empty() { 0.0 } else { label.chars().count() as f32 * CHAR_WIDTH + 12.0 }
}

/// The curves, each with its own place at both boxes, in the order in which their other ends stand.
fn arrows(boxes: &[Placed], links: &[Link], ends: &[(usize, usize, &str)], direction: Direction) -> Vec<Arrow> {
    let middle = |node: usize| boxes[node].y + boxes[node].height / 2.0;
    // (link, other end) at the left and at the right side of each box.
    let mut sides: Vec<[Vec<(usize, f32)>; 2]> = boxes.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for (index, link) in links.iter().enumerate() {
        let [(left, at_left), (right, at_right)] = link.ends(direction);
        sides[left][at_left].push((index, middle(right)));
        sides[right][at_right].push((index, middle(left)));
    }
    let mut ports = vec![[0.0f32; 2]; links.len()];
    for (node, side) in sides.iter_mut().enumerate() {
        for places in side {
            places.sort_by(|a, b| a.1.total_cmp(&b.1));
            let first = middle(node) - (places.len() as f32 - 1.0) * PORT_GAP / 2.0;
            let mut self_seen = None;
            for (place, &(link, _)) in places.iter().enumerate() {
                let y = first + place as f32 * PORT_GAP;
                let own = links[link].left == node && self_seen.replace(link) != Some(link);
                ports[link][usize::from(!own)] = y;
            }
        }
    }
    let mut out = Vec::with_capacity(links.len());
    for (index, link) in links.iter().enumerate() {
        let (mut start, mut pieces, label_at) = match link.same_layer {
            true => within(boxes, link, ports[index], direction),
            false => across(boxes, link, ports[index], direction),
        };
        let points_right = if link.same_layer { direction == Direction::Referrers } else { link.points_right };
        if !link.points_right {
            (start, pieces) = reversed(start, &pieces);
        }
        let (from, to, _) = ends[index];
        let back = link.same_layer || !link.points_right;
        out.push(Arrow { from, to, label: link.label.clone(), label_at, start, pieces, points_right, back });
    }
    out
}

type Course = ((f32, f32), Vec<Piece>, (f32, f32));

/// From the left box to the right one: a curve, and a straight piece for the label at the end where the picture fans out.
fn across(boxes: &[Placed], link: &Link, [y1, y2]: [f32; 2], direction: Direction) -> Course {
    let (left, right) = (&boxes[link.left], &boxes[link.right]);
    let (x1, x2) = (left.x + left.width, right.x);
    let straight = label_width(&link.label) + ARROW;
    let curve = |from: (f32, f32), to: (f32, f32)| {
        let half = (to.0 - from.0) / 2.0;
        Piece::Curve((from.0 + half, from.1), (to.0 - half, to.1), to)
    };
    if direction == Direction::Referents {
        let bend = (x2 - straight, y2);
        (
            (x1, y1),
            vec![curve((x1, y1), bend), Piece::Line((x2, y2))],
            (x2 - ARROW - label_width(&link.label) / 2.0, y2),
        )
    } else {
        let bend = (x1 + straight, y1);
        let end = (x2 - ARROW, y2);
        let pieces = vec![Piece::Line(bend), curve(bend, end), Piece::Line((x2, y2))];
        ((x1, y1), pieces, (x1 + ARROW + label_width(&link.label) / 2.0, y1))
    }
}

/// Between two boxes of a layer, which are equally wide: out to one side and back.
fn within(boxes: &[Placed], link: &Link, [y1, y2]: [f32; 2], direction: Direction) -> Course {
    let of = &boxes[link.left];
    let (x, sign) = if direction == Direction::Referents { (of.x + of.width, 1.0) } else { (of.x, -1.0) };
    // A cubic curve reaches three quarters of the way to its control points.
    let out = x + sign * LOOP * 4.0 / 3.0;
    let pieces = vec![Piece::Curve((out, y1), (out, y2), (x + sign * ARROW, y2)), Piece::Line((x, y2))];
    ((x, y1), pieces, (x + sign * (LOOP + label_width(&link.label) / 2.0 - 4.0), (y1 + y2) / 2.0))
}

fn reversed(start: (f32, f32), pieces: &[Piece]) -> ((f32, f32), Vec<Piece>) {
    let mut points = vec![start];
    points.extend(pieces.iter().map(|piece| match piece {
        Piece::Line(to) | Piece::Curve(_, _, to) => *to,
    }));
    let back = pieces.iter().enumerate().rev().map(|(index, piece)| match piece {
        Piece::Line(_) => Piece::Line(points[index]),
        Piece::Curve(a, b, _) => Piece::Curve(*b, *a, points[index]),
    });
    let back = back.collect();
    (points.pop().unwrap_or(start), back)
}
