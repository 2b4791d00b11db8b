//! Iterators, views of containers, and what `itertools`, `functools` and `operator` make.

use super::{Object, objects};

pub(super) const OBJECTS: &[Object] = objects! {
    "builtins.list_iterator": "_PyListIterObject", "listiterobject" { "it_seq" }
    "builtins.list_reverseiterator": "listreviterobject" { "it_seq" }
    "builtins.tuple_iterator": "_PyTupleIterObject", "tupleiterobject" { "it_seq" }
    "builtins.str_iterator", "builtins.str_ascii_iterator": "unicodeiterobject" { "it_seq" }
    "builtins.bytes_iterator": "striterobject" { "it_seq" }
    "builtins.bytearray_iterator": "bytesiterobject" { "it_seq" }
    "builtins.memory_iterator": "memoryiterobject" { "it_seq" }
    "builtins.range_iterator": "_PyRangeIterObject", "rangeiterobject" {}
    "builtins.longrange_iterator": "longrangeiterobject" { "index", "start", "step", "len" }
    "builtins.dict_keyiterator", "builtins.dict_valueiterator", "builtins.dict_itemiterator",
    "builtins.dict_reversekeyiterator", "builtins.dict_reversevalueiterator", "builtins.dict_reverseitemiterator":
        "dictiterobject" { "di_dict", "di_result" }
    "builtins.dict_keys", "builtins.dict_values", "builtins.dict_items": "_PyDictViewObject" { "dv_dict" }
    "builtins.odict_iterator": "odictiterobject" { "di_odict", "di_current", "di_result" }
    "builtins.set_iterator": "setiterobject" { "si_set" }
    "builtins.iterator": "seqiterobject" { "it_seq" }
    "builtins.callable_iterator": "calliterobject" { "it_callable", "it_sentinel" }
    "builtins.reversed": "reversedobject" { "seq" }
    "builtins.enumerate": "enumobject" { "en_sit", "en_result", "en_longindex" }
    "builtins.zip": "zipobject" { "ittuple", "result" }
    "builtins.map": "mapobject" { "iters", "func" }
    "builtins.filter": "filterobject" { "it", "func" }
    "builtins.line_iterator": "lineiterator" { "li_code" }
    "builtins.positions_iterator": "positionsiterator" { "pi_code" }
    "builtins.formatteriterator": "formatteriterobject" { "str" }
    "builtins.fieldnameiterator": "fieldnameiterobject" { "str" }
    "builtins.generic_alias_iterator": "gaiterobject" { "obj" }
    "builtins.items", "builtins.keys", "builtins.values": "PyHamtIterator" { "hi_obj" }
    "string.templatelib.TemplateIter": "templateiterobject" { "stringsiter", "interpolationsiter" }
    "array.arrayiterator", "builtins.arrayiterator": "arrayiterobject" { "ao" }
    "_struct.unpack_iterator", "builtins.unpack_iterator": "unpackiterobject" { "so", "buf.obj" }
    "collections._deque_iterator", "collections._deque_reverse_iterator", "_collections._deque_iterator",
    "_collections._deque_reverse_iterator": "dequeiterobject" { "deque" }
    "unicodedata.GraphemeBreakIterator": "GraphemeBreakIterator" { "iter.str" => ".str" }

    "itertools.accumulate": "accumulateobject" { "total", "it", "binop", "initial" }
    "itertools.batched": "batchedobject" { "it" }
    "itertools.chain": "chainobject" { "source", "active" }
    "itertools.combinations": "combinationsobject" { "pool", "result" }
    "itertools.combinations_with_replacement": "cwrobject" { "pool", "result" }
    "itertools.compress": "compressobject" { "data", "selectors" }
    "itertools.count": "countobject" { "long_cnt", "long_step" }
    "itertools.cycle": "cycleobject" { "it", "saved" }
    "itertools.dropwhile": "dropwhileobject" { "func", "it" }
    "itertools.filterfalse": "filterfalseobject" { "func", "it" }
    "itertools.groupby": "groupbyobject" { "it", "keyfunc", "tgtkey", "currkey", "currvalue" }
    "itertools._grouper": "_grouperobject" { "parent", "tgtkey" }
    "itertools.islice": "isliceobject" { "it" }
    "itertools.pairwise": "pairwiseobject" { "it", "old", "result" }
    "itertools.permutations": "permutationsobject" { "pool", "result" }
    "itertools.product": "productobject" { "pools", "result" }
    "itertools.repeat": "repeatobject" { "element" }
    "itertools.starmap": "starmapobject" { "func", "it" }
    "itertools.takewhile": "takewhileobject" { "func", "it" }
    "itertools._tee": "teeobject" { "dataobj" }
    "itertools._tee_dataobject": "teedataobject" { "it", "nextlink" }
    "itertools.zip_longest": "ziplongestobject" { "ittuple", "result", "fillvalue" }

    "functools.partial": "partialobject" { "fn" => ".func", "args", "kw" => ".keywords", "dict" => ".__dict__" }
    "functools.KeyWrapper": "keyobject" { "cmp", "object" => ".obj" }
    // What it remembers is in the dict, by way of elements that are linked without owning each other.
    "functools._lru_cache_wrapper": "lru_cache_object" {
        "cache", "func", "maxsize_O", "kwd_mark", "lru_list_elem_type", "cache_info_type", "dict" => ".__dict__",
    }
    "functools._lru_list_elem": "lru_list_elem" { "key", "result" }
    "operator.itemgetter": "itemgetterobject" { "item" }
    "operator.attrgetter": "attrgetterobject" { "attr" }
    "operator.methodcaller": "methodcallerobject" {
        "name", "args", "xargs", "kwds", "vectorcall_args", "vectorcall_kwnames",
    }
};
