//! Structs of types whose objects own more than their struct: buffers, tables, and arrays of references.
//!
//! Most are defined in extension modules, which may be files of their own. Sources: `Modules/_io/bufferedio.c`, `bytesio.c`,
//! `_pickle.c`, `arraymodule.c`, `_struct.c`, `_elementtree.c`, `_queuemodule.c`, `_functoolsmodule.c`, `itertoolsmodule.c`,
//! `_ctypes/ctypes.h`, `_decimal/_decimal.c`, `parsermodule.c`; `Python/hamt.c` of the interpreter itself.

use super::{Field, Need, Structure, at, size, whole};

const fn structure(
    tags: &'static [&'static str],
    marks: &'static [&'static str],
    fields: &'static [Field],
) -> Structure {
    Structure { tags, marks, need: Need::None, fields }
}

pub(super) const STRUCTURES: &[Structure] = &[
    structure(
        &["dequeobject"],
        &["deque.left_block"],
        &[at("deque.left_block", &["leftblock"]), at("deque.left_index", &["leftindex"]), whole("deque.size")],
    ),
    structure(
        &["BLOCK"],
        &["deque_block.items"],
        &[
            at("deque_block.items", &["data"]),
            size("deque_block.items_size", &["data"]),
            at("deque_block.right", &["rightlink"]),
            whole("deque_block.size"),
        ],
    ),
    structure(
        &["_odictobject"],
        &["ordered_dict.attributes"],
        &[
            at("ordered_dict.attributes", &["od_inst_dict"]),
            at("ordered_dict.nodes", &["od_fast_nodes_size"]),
            whole("ordered_dict.size"),
        ],
    ),
    structure(&["_odictnode"], &[], &[whole("ordered_dict_node.size")]),
    structure(
        &["arrayobject"],
        &["array.allocated", "array.description"],
        &[at("array.allocated", &["allocated"]), at("array.description", &["ob_descr"])],
    ),
    structure(&["arraydescr"], &["array_description.item_size"], &[at("array_description.item_size", &["itemsize"])]),
    structure(
        &["buffered"],
        &["buffered.buffer", "buffered.buffer_size"],
        &[at("buffered.buffer", &["buffer"]), at("buffered.buffer_size", &["buffer_size"])],
    ),
    structure(&["bytesio"], &["bytes_io.buffer"], &[at("bytes_io.buffer", &["buf"])]),
    structure(
        &["PyDecObject"],
        &["decimal.flags", "decimal.allocated"],
        &[at("decimal.flags", &["dec.flags"]), at("decimal.allocated", &["dec.alloc"])],
    ),
    structure(&["PyStructObject"], &["struct.codes"], &[at("struct.codes", &["s_codes"])]),
    structure(&["_formatcode"], &[], &[whole("format_code.size")]),
    structure(
        &["PicklerObject"],
        &["pickler.memo"],
        &[at("pickler.memo", &["memo"]), at("pickler.output_buffer", &["output_buffer"])],
    ),
    structure(
        &["PyMemoTable"],
        &["memo_table.table"],
        &[
            at("memo_table.allocated", &["mt_allocated"]),
            at("memo_table.table", &["mt_table"]),
            whole("memo_table.size"),
        ],
    ),
    structure(&["PyMemoEntry"], &["memo_entry.key"], &[at("memo_entry.key", &["me_key"]), whole("memo_entry.size")]),
    structure(
        &["UnpicklerObject"],
        &["unpickler.memo", "unpickler.marks"],
        &[
            at("unpickler.memo", &["memo"]),
            at("unpickler.memo_size", &["memo_size"]),
            at("unpickler.marks", &["marks"]),
            at("unpickler.marks_size", &["marks_size"]),
            at("unpickler.input_line", &["input_line"]),
            at("unpickler.encoding", &["encoding"]),
            at("unpickler.errors", &["errors"]),
        ],
    ),
    structure(&["Pdata"], &["pickle_stack.items"], &[at("pickle_stack.items", &["data"])]),
    structure(&["ElementObject"], &["element.extra"], &[at("element.extra", &["extra"])]),
    structure(
        &["ElementObjectExtra", "_ElementObjectExtra"],
        &["element_extra.children"],
        &[
            at("element_extra.attributes", &["attrib"]),
            at("element_extra.length", &["length"]),
            at("element_extra.allocated", &["allocated"]),
            at("element_extra.children", &["children"]),
            at("element_extra.inside", &["_children"]),
            whole("element_extra.size"),
        ],
    ),
    structure(
        &["ElementIterObject"],
        &["element_iterator.stack"],
        &[at("element_iterator.stack", &["parent_stack"]), at("element_iterator.depth", &["parent_stack_used"])],
    ),
    structure(
        &["ParentLocator_t", "ParentLocator"],
        &["element_place.parent"],
        &[at("element_place.parent", &["parent"]), whole("element_place.size")],
    ),
    structure(&["combinationsobject"], &["combinations.length"], &[at("combinations.length", &["r"])]),
    structure(
        &["cwrobject"],
        &["combinations_with_replacement.length"],
        &[at("combinations_with_replacement.length", &["r"])],
    ),
    structure(
        &["permutationsobject"],
        &["permutations.length", "permutations.pool"],
        &[at("permutations.pool", &["pool"]), at("permutations.length", &["r"])],
    ),
    structure(&["productobject"], &["product.pools"], &[at("product.pools", &["pools"])]),
    structure(
        &["teedataobject"],
        &["tee_data.count"],
        &[
            at("tee_data.count", &["numread"]),
            at("tee_data.items", &["values"]),
            size("tee_data.items_size", &["values"]),
        ],
    ),
    structure(
        &["lru_cache_object"],
        &["lru_cache.first"],
        &[at("lru_cache.root", &["root"]), at("lru_cache.first", &["root.next"]), at("lru_cache.cache", &["cache"])],
    ),
    structure(
        &["lru_list_elem"],
        &["lru_link.next"],
        &[at("lru_link.next", &["next"]), at("lru_link.key", &["key"]), at("lru_link.result", &["result"])],
    ),
    // Before 3.13 the queue is a list.
    structure(
        &["simplequeueobject"],
        &["simple_queue.items"],
        &[
            at("simple_queue.items", &["buf.items"]),
            at("simple_queue.first", &["buf.get_idx"]),
            at("simple_queue.capacity", &["buf.items_cap"]),
            at("simple_queue.count", &["buf.num_items"]),
        ],
    ),
    structure(&["PyHamtNode_Bitmap"], &["hamt_bitmap.items"], &[at("hamt_bitmap.items", &["b_array"])]),
    structure(&["PyHamtNode_Collision"], &["hamt_collision.items"], &[at("hamt_collision.items", &["c_array"])]),
    structure(
        &["PyHamtNode_Array"],
        &["hamt_array.items"],
        &[at("hamt_array.items", &["a_array"]), size("hamt_array.items_size", &["a_array"])],
    ),
    // What ctypes knows of a type: in its dict to 3.12, behind the type object from 3.13 on.
    structure(
        &["StgDictObject"],
        &["ctypes_dict.format"],
        &[
            at("ctypes_dict.proto", &["proto"]),
            at("ctypes_dict.length", &["length"]),
            at("ctypes_dict.elements", &["ffi_type_pointer.elements"]),
            at("ctypes_dict.format", &["format"]),
            at("ctypes_dict.dimensions", &["ndim"]),
            whole("ctypes_dict.size"),
        ],
    ),
    structure(
        &["StgInfo"],
        &["ctypes_info.initialized"],
        &[
            at("ctypes_info.initialized", &["initialized"]),
            at("ctypes_info.length", &["length"]),
            at("ctypes_info.elements", &["ffi_type_pointer.elements"]),
            at("ctypes_info.proto", &["proto"]),
            at("ctypes_info.argtypes", &["argtypes"]),
            at("ctypes_info.converters", &["converters"]),
            at("ctypes_info.restype", &["restype"]),
            at("ctypes_info.checker", &["checker"]),
            at("ctypes_info.pointer_type", &["pointer_type"]),
            at("ctypes_info.module", &["module"]),
            at("ctypes_info.format", &["format"]),
            at("ctypes_info.dimensions", &["ndim"]),
        ],
    ),
    structure(&["PyST_Object"], &["syntax_tree.root"], &[at("syntax_tree.root", &["st_node"])]),
    structure(
        &["_node"],
        &["syntax_node.children"],
        &[
            at("syntax_node.text", &["n_str"]),
            at("syntax_node.count", &["n_nchildren"]),
            at("syntax_node.children", &["n_child"]),
            whole("syntax_node.size"),
        ],
    ),
];
