//! Pictures of small heaps: what is in them, that nothing overlaps, that no label breaks a format.

use super::layout::scene;
use super::picture::{Edge, Role};
use super::*;
use crate::heap::{Heap, ObjectId, sample};
use crate::units::Address;

/// A module with a cache, whose entries point back to it.
fn cache() -> Heap {
    sample::heap(
        "main:builtins.module=72 -> globals.__dict__
         globals:builtins.dict=1184 -> cache['CACHE'], handler['handle'], key
         key:builtins.str=54
         handler:builtins.function=160 -> globals.__globals__, cache.__defaults__
         cache:app.Cache=56 -> attributes.__dict__
         attributes:builtins.dict=296 -> store['entries'], lock['the lock'], key
         lock:_thread.lock=40
         store:builtins.dict=41943136 -> e1['user:1'], e2['user:2']
         e1:app.Entry=48 -> payload.payload, cache.owner, e2.next
         e2:app.Entry=48 -> cache.owner, e2.me
         payload:builtins.bytes=1048609
         root main module app
         root store local app.Cache.sweep entries
         root cache interpreter",
    )
}

fn of(heap: &Heap, row: u64, direction: Direction) -> Picture {
    picture(heap, heap.at(Address(0x1000 + 16 * row)).expect("a row of the sample"), direction)
}

/// The picture as lines `from label to`.
fn told(picture: &Picture) -> String {
    let name = |node: usize| {
        let node = &picture.nodes[node];
        let more = if node.omitted > 0 { format!(" (+{})", node.omitted) } else { String::new() };
        format!("{}{more}", node.lines[0])
    };
    let edge = |edge: &Edge| format!("{} -> {} -> {}\n", name(edge.from), edge.label, name(edge.to));
    picture.edges.iter().map(edge).collect()
}

#[test]
fn attributes_are_one_edge_forward() {
    insta::assert_snapshot!(told(&of(&cache(), 4, Direction::Referents)), @r"
    app.Cache -> .entries -> builtins.dict
    app.Cache -> .__dict__['the lock'] -> _thread.lock
    app.Cache ->  -> builtins.str
    builtins.dict -> ['user:1'] -> app.Entry
    builtins.dict -> ['user:2'] -> app.Entry
    app.Entry -> .payload -> builtins.bytes
    app.Entry -> .owner -> app.Cache
    app.Entry -> .next -> app.Entry
    app.Entry -> .owner -> app.Cache
    app.Entry -> .me -> app.Entry
    ");
}

#[test]
fn the_way_back_ends_at_roots() {
    insta::assert_snapshot!(told(&of(&cache(), 7, Direction::Referrers)), @r"
    frame of app.Cache.sweep -> entries -> builtins.dict
    app.Cache -> .entries -> builtins.dict
    interpreter: interpreter ->  -> app.Cache
    module app -> .CACHE -> app.Cache
    builtins.function -> .__defaults__ -> app.Cache
    app.Entry -> .owner -> app.Cache
    app.Entry -> .owner -> app.Cache
    module app -> .handle -> builtins.function
    builtins.dict -> ['user:1'] -> app.Entry
    builtins.dict -> ['user:2'] -> app.Entry
    app.Entry -> .next -> app.Entry
    app.Entry -> .me -> app.Entry
    ");
}

#[test]
fn a_picture_stays_small_and_says_what_it_leaves_out() {
    let mut text = String::from("focus:builtins.list -> ");
    text.push_str(&(0..500).map(|i| format!("a{i}")).collect::<Vec<_>>().join(", "));
    for i in 0..500 {
        let edges: Vec<String> = (0..9).map(|j| format!("a{}", (i * 7 + j * 31) % 500)).collect();
        text.push_str(&format!("\na{i}:app.Node -> {}", edges.join(", ")));
    }
    let heap = sample::heap(&text);
    for direction in [Direction::Referents, Direction::Referrers] {
        for row in 0..20 {
            let picture = of(&heap, row, direction);
            assert!(picture.nodes.len() <= 60 && picture.edges.len() <= 400, "{}", picture.nodes.len());
            apart(&picture);
        }
    }
    let forward = of(&heap, 0, Direction::Referents);
    assert_eq!(forward.nodes[0].omitted, 492);
    assert_eq!(forward.edges.iter().filter(|edge| edge.from == 0).count(), 8);
}

/// No two boxes touch, and all is inside.
fn apart(picture: &Picture) {
    let scene = scene(picture);
    for (index, a) in scene.boxes.iter().enumerate() {
        let inside = a.x > 0.0 && a.y > 0.0 && a.x + a.width < scene.width && a.y + a.height < scene.height;
        assert!(inside, "{a:?} in {} x {}", scene.width, scene.height);
        for b in &scene.boxes[..index] {
            let beside = a.x + a.width < b.x || b.x + b.width < a.x;
            assert!(beside || a.y + a.height < b.y || b.y + b.height < a.y, "{a:?} {b:?}");
        }
    }
    for arrow in &scene.arrows {
        let (from, to, tip) = (&scene.boxes[arrow.from], &scene.boxes[arrow.to], arrow.tip());
        let touches = |b: &layout::Placed, (x, y): (f32, f32)| {
            ((x - b.x).abs() < 0.1 || (x - b.x - b.width).abs() < 0.1) && y > b.y && y < b.y + b.height
        };
        assert!(touches(from, arrow.start) && touches(to, tip), "{arrow:?}");
    }
}

#[test]
fn boxes_stand_apart_and_arrows_meet_them() {
    let heap = cache();
    for row in 0..11 {
        for direction in [Direction::Referents, Direction::Referrers] {
            apart(&of(&heap, row, direction));
        }
    }
}

#[test]
fn svg_and_dot_are_as_in_the_snapshots() {
    let drawn = draw(&of(&cache(), 7, Direction::Referrers));
    hold("render_graph_svg", &drawn.svg);
    hold("render_graph_dot", &drawn.dot);
}

fn hold(name: &str, output: &str) {
    insta::with_settings!({
        snapshot_path => "../../../snapshots", prepend_module_to_snapshot => false, omit_expression => true
    }, {
        insta::assert_snapshot!(name, output);
    });
}

fn decoded(png: &[u8]) -> (u32, u32) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    assert!(pixels.iter().any(|&p| p != 0xff), "nothing is drawn");
    (info.width, info.height)
}

#[test]
fn png_is_what_the_layout_says() {
    let picture = of(&cache(), 7, Direction::Referents);
    let scene = scene(&picture);
    assert_eq!(decoded(&draw(&picture).png), (scene.width.ceil() as u32, scene.height.ceil() as u32));
}

fn node(name: &str) -> Node {
    Node { lines: vec![name.to_owned()], role: Role::Other, omitted: u64::MAX }
}

#[test]
fn hostile_labels_break_nothing() {
    let name = crate::render::sample::HOSTILE;
    let edges = (0..3).map(|i| Edge { from: i % 2, to: i / 2, label: name.to_owned() }).collect();
    let nodes = vec![node(name), node(&format!("{name}\\"))];
    let picture = Picture { title: format!("{name}\\"), direction: Direction::Referents, nodes, edges };
    let drawn = draw(&picture);
    decoded(&drawn.png);
    for text in [&drawn.svg, &drawn.dot] {
        assert!(!text.chars().any(|c| crate::units::is_hidden(c) && c != '\n'), "{text}");
    }
    hold("render_graph_dot_hostile", &drawn.dot);
    let tags = regex::Regex::new("<[^<>]*>").expect("a pattern");
    assert!(!tags.replace_all(&drawn.svg, "").contains(['<', '>']) && !drawn.svg.contains("<b>"), "{}", drawn.svg);
}

#[test]
fn a_huge_picture_is_capped() {
    let nodes = (0..5000).map(|i| node(&i.to_string().repeat(90))).collect();
    let edges = (0..9000).map(|i| Edge { from: i % 3, to: i % 5000, label: "x".repeat(500) }).collect();
    let picture = Picture { title: "t".repeat(5000), direction: Direction::Referrers, nodes, edges };
    let (width, height) = decoded(&draw(&picture).png);
    assert!(width <= 16_000 && height <= 16_000 && width * height <= 12_100_000, "{width} x {height}");
    let nothing = Picture { nodes: Vec::new(), edges: Vec::new(), title: "nothing".into(), ..picture };
    assert!(draw(&nothing).svg.ends_with("</svg>\n"));
}

#[test]
fn files_have_safe_and_distinct_names() {
    for (kind, stem) in [
        ("builtins.dict", "ref_7_builtins.dict"),
        ("../../etc/passwd", "ref_7_.._.._etc_passwd-6fadc99a"),
        ("app.<locals>.X", "ref_7_app._locals_.X-40c4a2d2"),
        ("a\0b\n", "ref_7_a_b_-87978508"),
        ("", "ref_7_"),
    ] {
        assert_eq!(file_stem(Direction::Referents, 7, kind), stem);
    }
    let long = file_stem(Direction::Referrers, i32::MAX, &"é".repeat(10_000));
    assert!(long.starts_with("backref_2147483647___") && long.len() < 160, "{long}");
    assert_ne!(file_stem(Direction::Referents, 1, "a b"), file_stem(Direction::Referents, 1, "a/b"));
}

#[test]
fn a_heap_of_one_object_has_pictures() {
    let heap = sample::heap("alone:builtins.list");
    for direction in [Direction::Referents, Direction::Referrers] {
        let picture = picture(&heap, ObjectId(0), direction);
        assert_eq!((picture.nodes.len(), picture.edges.len(), picture.nodes[0].role), (1, 0, Role::Focus));
        apart(&picture);
    }
}
