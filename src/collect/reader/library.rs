//! Types of the standard library whose objects have references in tables, arrays and lists of their own, or sizes that a
//! `__sizeof__` of their own tells.
//!
//! Sources: the `*_traverse` functions of `Modules/_functoolsmodule.c`, `itertoolsmodule.c`, `_queuemodule.c`, `_pickle.c`,
//! `_elementtree.c` and of `Python/hamt.c`. What a version has no offsets for is left out; sizes are in [`super::size_library`].

use super::image::WORD;
use super::numpy;
use super::walk::{Sink, Step, Walk};

/// How such objects are read, beside the members of their struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    Array,
    Buffered,
    BytesIo,
    Combinations,
    CombinationsWithReplacement,
    CtypesDict,
    Decimal,
    Element,
    ElementIterator,
    HamtArray,
    HamtBitmap,
    HamtCollision,
    LruCache,
    NumpyArray,
    /// With the bytes of its value.
    NumpyScalar(u64),
    Permutations,
    Pickler,
    PickleStack,
    Product,
    SimpleQueue,
    Struct,
    SyntaxTree,
    TeeData,
    Unpickler,
}

impl Library {
    /// That of the type in C with this name.
    pub(super) fn of(name: &str) -> Option<Library> {
        Some(match name {
            "array.array" => Library::Array,
            "_io.BufferedReader" | "_io.BufferedWriter" | "_io.BufferedRandom" => Library::Buffered,
            "_io.BytesIO" => Library::BytesIo,
            "itertools.combinations" => Library::Combinations,
            "itertools.combinations_with_replacement" => Library::CombinationsWithReplacement,
            "builtins.StgDict" => Library::CtypesDict,
            "decimal.Decimal" => Library::Decimal,
            "xml.etree.ElementTree.Element" => Library::Element,
            "_elementtree._element_iterator" => Library::ElementIterator,
            "builtins.hamt_array_node" => Library::HamtArray,
            "builtins.hamt_bitmap_node" => Library::HamtBitmap,
            "builtins.hamt_collision_node" => Library::HamtCollision,
            "functools._lru_cache_wrapper" => Library::LruCache,
            "numpy.ndarray" => Library::NumpyArray,
            "itertools.permutations" => Library::Permutations,
            "_pickle.Pickler" => Library::Pickler,
            "_pickle.Pdata" => Library::PickleStack,
            "itertools.product" => Library::Product,
            "_queue.SimpleQueue" => Library::SimpleQueue,
            "_struct.Struct" | "builtins.Struct" => Library::Struct,
            "parser.st" => Library::SyntaxTree,
            "itertools._tee_dataobject" => Library::TeeData,
            "_pickle.Unpickler" => Library::Unpickler,
            _ => return numpy::scalar_size(name).map(Library::NumpyScalar),
        })
    }
}

impl Walk<'_, '_> {
    /// `None` says only that there was nothing more to visit.
    pub(super) fn visit_library(&self, object: u64, library: Library, sink: &mut impl Sink) -> Option<()> {
        let (view, fields) = (&self.view, self.fields);
        match library {
            Library::Array
            | Library::Buffered
            | Library::BytesIo
            | Library::Combinations
            | Library::CombinationsWithReplacement
            | Library::Decimal
            | Library::NumpyScalar(_)
            | Library::Permutations
            | Library::Product
            | Library::Struct
            | Library::SyntaxTree => {}
            Library::CtypesDict => self.visit_dict(object, sink),
            Library::Element => self.visit_element(object, sink)?,
            Library::ElementIterator => {
                let stack = view.pointer(object + fields.element_iterator_stack?);
                let depth = view.pointer(object + fields.element_iterator_depth?);
                self.visit_table(stack, depth, fields.element_place_parent?, fields.element_place_size?, sink);
            }
            Library::HamtArray => {
                let count = fields.hamt_array_items_size? / WORD;
                self.visit_words(object + fields.hamt_array_items?, count, sink);
            }
            Library::HamtBitmap => {
                let count = view.pointer(object + fields.object_length);
                self.visit_words(object + fields.hamt_bitmap_items?, count, sink);
            }
            Library::HamtCollision => {
                let count = view.pointer(object + fields.object_length);
                self.visit_words(object + fields.hamt_collision_items?, count, sink);
            }
            Library::LruCache => self.visit_lru_cache(object, sink)?,
            Library::NumpyArray => self.visit_numpy_array(object, sink)?,
            Library::Pickler => self.visit_pickler_memo(object, sink)?,
            Library::PickleStack => {
                let items = view.pointer(object + fields.pickle_stack_items?);
                self.visit_words(items, view.pointer(object + fields.object_length), sink);
            }
            Library::SimpleQueue => self.visit_simple_queue(object, sink)?,
            Library::TeeData => {
                let most = fields.tee_data_items_size? / WORD;
                let count = view.half(object + fields.tee_data_count?)?;
                self.visit_words(object + fields.tee_data_items?, most.min(count.into()), sink);
            }
            Library::Unpickler => {
                let memo = view.pointer(object + fields.unpickler_memo?);
                self.visit_words(memo, view.pointer(object + fields.unpickler_memo_size?), sink);
            }
        }
        Some(())
    }

    fn visit_words(&self, first: u64, count: u64, sink: &mut impl Sink) {
        self.each_word(first, count, |_, word| sink.edge(word, Step::Unnamed));
    }

    /// The attributes and the children.
    fn visit_element(&self, element: u64, sink: &mut impl Sink) -> Option<()> {
        let (view, fields) = (&self.view, self.fields);
        let extra = view.pointer(element + fields.element_extra?);
        sink.edge(view.pointer(extra + fields.element_extra_attributes?), Step::Named(".attrib"));
        let children = view.pointer(extra + fields.element_extra_children?);
        let count = view.pointer(extra + fields.element_extra_length?);
        self.each_word(children, count, |at, word| sink.edge(word, Step::Index(at)));
        Some(())
    }

    /// The links that keep what is remembered in the order of its use; the dict has one for each key.
    fn visit_lru_cache(&self, cache: u64, sink: &mut impl Sink) -> Option<()> {
        let (view, fields) = (&self.view, self.fields);
        let (next, key, result) = (fields.lru_link_next?, fields.lru_link_key?, fields.lru_link_result?);
        let dict = view.pointer(cache + fields.lru_cache_cache?);
        let most =
            self.keys(view.pointer(dict + fields.dict_keys)).map(|keys| keys.count).filter(|&most| view.claim(most))?;
        let root = cache + fields.lru_cache_root?;
        let mut link = view.pointer(cache + fields.lru_cache_first?);
        for _ in 0..most {
            if link == root {
                break;
            }
            // 3.6 visits the links, as the dict does; later versions what they hold.
            if fields.version.minor == 6 {
                sink.edge(link, Step::Unnamed);
            }
            sink.edge(view.pointer(link + key), Step::Unnamed);
            sink.edge(view.pointer(link + result), Step::Unnamed);
            link = view.pointer(link + next);
        }
        Some(())
    }

    /// What was pickled is kept until the memo is cleared.
    fn visit_pickler_memo(&self, pickler: u64, sink: &mut impl Sink) -> Option<()> {
        let (view, fields) = (&self.view, self.fields);
        let memo = view.pointer(pickler + fields.pickler_memo?);
        let table = view.pointer(memo + fields.memo_table_table?);
        let count = view.pointer(memo + fields.memo_table_allocated?);
        self.visit_table(table, count, fields.memo_entry_key?, fields.memo_entry_size?, sink);
        Some(())
    }

    /// One member of each of the structs in an array.
    fn visit_table(&self, table: u64, count: u64, member: u64, size: u64, sink: &mut impl Sink) {
        let length = count.saturating_mul(size);
        if self.view.has(table, length) && self.view.claim(count.max(length / WORD)) {
            for at in 0..count {
                sink.edge(self.view.pointer(table + at * size + member), Step::Unnamed);
            }
        }
    }

    /// A ring.
    fn visit_simple_queue(&self, queue: u64, sink: &mut impl Sink) -> Option<()> {
        let (view, fields) = (&self.view, self.fields);
        let items = view.pointer(queue + fields.simple_queue_items?);
        let (items, capacity) = self.items(items, view.pointer(queue + fields.simple_queue_capacity?))?;
        let first = view.pointer(queue + fields.simple_queue_first?);
        let count = view.pointer(queue + fields.simple_queue_count?).min(capacity);
        if !view.claim(count) {
            return None;
        }
        for at in 0..count {
            sink.edge(view.pointer(items + (first + at) % capacity * WORD), Step::Unnamed);
        }
        Some(())
    }
}
