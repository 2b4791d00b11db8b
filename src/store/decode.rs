//! The columns of a heap out of a Parquet file, all of which is untrusted.
//!
//! Counts are held against the length of the file before anything is allocated, page headers are looked at first
//! ([`super::pages`]), and what comes out is checked again by [`Columns::into_heap`]. May still panic inside of the
//! decoder: the caller catches that.

use std::fs::File;
use std::sync::Arc;

use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use rustc_hash::FxHashMap;

use super::pages;
use super::schema::{CONTENT, HEAP_COLUMNS, MAX_VALUES_PER_BYTE, TYPE_RETAINED};
use crate::heap::{Columns, Flags, TypeId};

/// Rows taken from the decoder at a time.
const BATCH_ROWS: usize = 1 << 14;
/// All names together may be this long whatever the length of the file …
const NAMES_FLOOR: usize = 16 << 20;
/// … and this many times its length: names compress well, but not without end.
const MAX_NAME_EXPANSION: usize = 64;

/// What is wrong with the file; a lowercase fragment.
pub(super) type Damage = String;

/// What the columns of a file say. Those that are for others are not looked at.
#[derive(Debug)]
pub(super) struct Decoded {
    /// All but the roots, which are not among the columns.
    pub(super) heap: Columns,
    /// By type, of a format that has it.
    pub(super) retained_by_type: Option<Vec<u64>>,
}

pub(super) fn columns(file: File, length: u64, metadata: &ParquetMetaData) -> Result<Decoded, Damage> {
    let file = Arc::new(file);
    let budget = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(MAX_NAME_EXPANSION).max(NAMES_FLOOR);
    let (mut types, mut names) = (Interner::new(budget), Interner::new(budget));
    names.id(b"")?;
    let mut heap = Columns::default();
    let mut retained: Vec<Option<i64>> = Vec::new();
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let has_retained = columns > TYPE_RETAINED;
    let has_contents = columns > CONTENT;
    let wanted = (0..HEAP_COLUMNS).chain(has_retained.then_some(TYPE_RETAINED)).chain(has_contents.then_some(CONTENT));
    // How many values each has had.
    let mut counts: Vec<(usize, u64)> = wanted.map(|index| (index, 0)).collect();
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
        if group.num_columns() != columns {
            return Err("a group has other columns than the schema".to_owned());
        }
        for (index, count) in &mut counts {
            let (start, size) = group.column(*index).byte_range();
            let values = pages::values(&file, start..start.saturating_add(size), length)?;
            *count = count.saturating_add(values);
            if *count > length.saturating_mul(MAX_VALUES_PER_BYTE) {
                return Err("it claims more objects or references than its length allows".to_owned());
            }
            if values < rows as u64 {
                return Err("a column has fewer values than rows".to_owned());
            }
        }
        let group = Group { file: &file, metadata: group, rows };
        let before = heap.types.len();
        group.flat::<Int64Type, _>(0, &mut heap.addresses, |value| Ok(value as u64))?;
        group.flat::<ByteArrayType, _>(1, &mut heap.types, |value| Ok(TypeId(types.id(value.data())?)))?;
        group.flat::<Int64Type, _>(2, &mut heap.sizes, |value| Ok(value as u64))?;
        let flags = |value| u8::try_from(value).map(Flags).map_err(|_| "the flags of an object are none".to_owned());
        group.flat::<Int32Type, _>(3, &mut heap.flags, flags)?;
        let first = heap.starts.len();
        let row = |edges: usize| {
            heap.starts.push(edges as u64);
            Ok(())
        };
        group.lists::<Int32Type>(4, &mut heap.referents, row, |value| Ok(value.map_or(0, |&value| value as u32)))?;
        let mut starts = heap.starts[first..].iter();
        let row = |edges: usize| match starts.next() {
            Some(&start) if start == edges as u64 => Ok(()),
            _ => Err("the edges and their names do not go together".to_owned()),
        };
        group.lists::<ByteArrayType>(5, &mut heap.edge_names, row, |value| match value {
            Some(value) => names.id(value.data()),
            None => Ok(0),
        })?;
        if has_retained {
            let mut kinds = heap.types[before..].iter();
            retained.resize(types.ids.len(), None);
            let same = |value| match kinds.next().map(|kind| *retained[kind.index()].get_or_insert(value)) {
                Some(known) if known == value => Ok(()),
                _ => Err("the rows of a type differ in what it retains".to_owned()),
            };
            group.flat::<Int64Type, ()>(TYPE_RETAINED, &mut Vec::new(), same)?;
        }
        if has_contents {
            group.optional::<Int64Type>(CONTENT, &mut heap.contents, |value| value as u64)?;
        }
    }
    // Whoever looks for contents finds some.
    if heap.contents.iter().all(|&content| content == 0) {
        heap.contents = Vec::new();
    }
    heap.starts.push(heap.referents.len() as u64);
    heap.type_names = types.into_table();
    heap.names = names.into_table();
    let retained_by_type =
        has_retained.then(|| retained.into_iter().map(|known| known.map_or(0, |value| value as u64)).collect());
    Ok(Decoded { heap, retained_by_type })
}

/// One row group.
struct Group<'a> {
    file: &'a Arc<File>,
    metadata: &'a RowGroupMetaData,
    rows: usize,
}

impl Group<'_> {
    /// Appends the values of the column at `index`, one per row, to `out`.
    fn flat<T: DataType, V>(
        &self,
        index: usize,
        out: &mut Vec<V>,
        mut value: impl FnMut(T::T) -> Result<V, Damage>,
    ) -> Result<(), Damage> {
        let mut reader = self.reader::<T>(index)?;
        let mut values = Vec::new();
        let mut left = self.rows;
        while left > 0 {
            values.clear();
            let (rows, ..) = reader.read_records(left.min(BATCH_ROWS), None, None, &mut values).map_err(damage)?;
            left = self.advance(left, rows)?;
            for read in values.drain(..) {
                out.push(value(read)?);
            }
        }
        Ok(())
    }

    /// Appends the values of the column at `index`, one per row, to `out`; 0 where there is none.
    fn optional<T: DataType>(
        &self,
        index: usize,
        out: &mut Vec<u64>,
        value: impl Fn(T::T) -> u64,
    ) -> Result<(), Damage> {
        let mut reader = self.reader::<T>(index)?;
        let (mut values, mut definitions) = (Vec::new(), Vec::new());
        let mut left = self.rows;
        while left > 0 {
            values.clear();
            definitions.clear();
            let (rows, ..) =
                reader.read_records(left.min(BATCH_ROWS), Some(&mut definitions), None, &mut values).map_err(damage)?;
            left = self.advance(left, rows)?;
            let mut values = values.drain(..);
            let present = |&definition: &i16| definition > 0;
            out.extend(definitions.iter().map(|d| if present(d) { values.next().map_or(0, &value) } else { 0 }));
        }
        Ok(())
    }

    /// Appends the items of the column at `index`, a list per row, to `items`; before each row says to `row` how many there
    /// are by then.
    fn lists<T: DataType>(
        &self,
        index: usize,
        items: &mut Vec<u32>,
        mut row: impl FnMut(usize) -> Result<(), Damage>,
        mut item: impl FnMut(Option<&T::T>) -> Result<u32, Damage>,
    ) -> Result<(), Damage> {
        let present = self.metadata.column(index).column_descr().max_def_level();
        let mut reader = self.reader::<T>(index)?;
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = self.rows;
        while left > 0 {
            values.clear();
            definitions.clear();
            repetitions.clear();
            let (rows, ..) = reader
                .read_records(left.min(BATCH_ROWS), Some(&mut definitions), Some(&mut repetitions), &mut values)
                .map_err(damage)?;
            left = self.advance(left, rows)?;
            let mut values = values.iter();
            let mut open = false;
            for (&definition, &repetition) in definitions.iter().zip(&repetitions) {
                if repetition == 0 {
                    row(items.len())?;
                } else if !open || definition == 0 {
                    return Err("a list goes on after its end".to_owned());
                }
                open = definition > 0;
                if open {
                    let value = if definition == present { values.next() } else { None };
                    items.push(item(value)?);
                }
            }
        }
        Ok(())
    }

    fn advance(&self, left: usize, rows: usize) -> Result<usize, Damage> {
        match rows {
            0 => Err("a column ends too early".to_owned()),
            _ => left.checked_sub(rows).ok_or_else(|| "a column has too many rows".to_owned()),
        }
    }

    fn reader<T: DataType>(&self, index: usize) -> Result<ColumnReaderImpl<T>, Damage> {
        let column = self.metadata.column(index);
        let pages = SerializedPageReader::new(self.file.clone(), column, self.rows, None).map_err(damage)?;
        Ok(get_typed_column_reader(get_column_reader(column.column_descr_ptr(), Box::new(pages))))
    }
}

/// What the decoder says, without the name of its library.
pub(super) fn damage(error: ParquetError) -> Damage {
    match error {
        ParquetError::General(text) | ParquetError::EOF(text) | ParquetError::NYI(text) => text,
        other => other.to_string(),
    }
}

/// Numbers texts in the order in which they appear.
struct Interner {
    ids: FxHashMap<Box<str>, u32>,
    /// How many bytes of text may still come.
    budget: usize,
}

impl Interner {
    fn new(budget: usize) -> Interner {
        Interner { ids: FxHashMap::default(), budget }
    }

    fn id(&mut self, text: &[u8]) -> Result<u32, Damage> {
        let text = std::str::from_utf8(text).map_err(|_| "a name is not UTF-8")?;
        if let Some(&id) = self.ids.get(text) {
            return Ok(id);
        }
        self.budget = self.budget.checked_sub(text.len()).ok_or("its names are longer than its length allows")?;
        let id = self.ids.len() as u32;
        self.ids.insert(text.into(), id);
        Ok(id)
    }

    fn into_table(self) -> Vec<Box<str>> {
        let mut table = vec![Box::<str>::default(); self.ids.len()];
        for (text, id) in self.ids {
            table[id as usize] = text;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use parquet::data_type::ByteArray;
    use parquet::file::metadata::ParquetMetaDataReader;
    use parquet::file::writer::SerializedFileWriter;

    use super::super::schema;
    use super::*;

    /// Levels and values of a list column.
    type List<T> = (&'static [T], &'static [i16], &'static [i16]);

    /// What becomes of two rows with these flags, referents and edge names.
    fn check(flags: i32, referents: List<i32>, names: List<&str>, expected: Result<&[u64], &str>) {
        let found = of(1, flags, referents, names, [0, 0]);
        assert_eq!(found.as_ref().ok().and_then(|found| found.retained_by_type.as_ref()), None);
        let starts = found.map(|found| found.heap.starts);
        assert_eq!(starts.as_deref(), expected.map_err(str::to_owned).as_ref().copied());
    }

    /// Two rows of one type, in a format.
    fn of(
        format: u64,
        flags: i32,
        referents: List<i32>,
        names: List<&str>,
        retained: [i64; 2],
    ) -> Result<Decoded, Damage> {
        let mut file = tempfile::tempfile().expect("a file");
        let properties = schema::properties(Vec::new()).expect("constants");
        let mut writer =
            SerializedFileWriter::new(&mut file, schema::schema(format), properties.into()).expect("a writer");
        let mut group = writer.next_row_group().expect("a group");
        let mut index = 0;
        while let Some(mut column) = group.next_column().expect("open") {
            let written = match index {
                0 | 2 => column.typed::<Int64Type>().write_batch(&[16, 32], None, None),
                1 => column.typed::<ByteArrayType>().write_batch(&["t".into(), "t".into()], None, None),
                3 => column.typed::<Int32Type>().write_batch(&[flags; 2], None, None),
                4 => column.typed::<Int32Type>().write_batch(referents.0, Some(referents.1), Some(referents.2)),
                6 => column.typed::<Int32Type>().write_batch(&[], Some(&[0, 0]), None),
                7 => column.typed::<Int64Type>().write_batch(&[], Some(&[0, 0]), None),
                TYPE_RETAINED => column.typed::<Int64Type>().write_batch(&retained, None, None),
                10 => column.typed::<Int32Type>().write_batch(&[7, 7], None, None),
                9 | 11 | 12 => column.typed::<ByteArrayType>().write_batch(&["h".into(), "h".into()], None, None),
                _ => {
                    let values: Vec<ByteArray> = names.0.iter().map(|&name| name.into()).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, Some(names.1), Some(names.2))
                }
            };
            written.expect("written");
            column.close().expect("closed");
            index += 1;
        }
        group.close().expect("closed");
        writer.finish().expect("finished");
        drop(writer);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).expect("metadata");
        let length = file.metadata().expect("open").len();
        columns(file, length, &metadata)
    }

    #[test]
    fn what_a_type_retains_is_the_same_in_each_of_its_rows() {
        let none = || (&[][..], &[0, 0][..], &[0, 0][..]);
        let found = |retained| of(2, 1, none(), (&[], &[0, 0], &[0, 0]), retained).map(|found| found.retained_by_type);
        assert_eq!(found([-1, -1]), Ok(Some(vec![u64::MAX])));
        assert_eq!(found([4, 5]), Err("the rows of a type differ in what it retains".to_owned()));
    }

    #[test]
    fn lists_must_go_together() {
        let referents = (&[1, 1, 0][..], &[1, 1, 1][..], &[0, 1, 0][..]);
        check(1, referents, (&["['k']"], &[1, 2, 1], &[0, 1, 0]), Ok(&[0, 2, 3]));
        let apart = Err("the edges and their names do not go together");
        check(1, referents, (&[], &[1, 1, 1], &[0, 0, 1]), apart);
        check(1, referents, (&[], &[0, 1], &[0, 0]), apart);
        check(1, (&[], &[0, 0], &[0, 0]), (&[], &[0, 0], &[0, 0]), Ok(&[0, 0, 0]));
        let on = Err("a list goes on after its end");
        check(1, (&[1], &[0, 1, 0], &[0, 1, 0]), (&[], &[0, 0], &[0, 0]), on);
        check(1, (&[1], &[1, 0, 0], &[0, 1, 0]), (&[], &[0, 0], &[0, 0]), on);
    }

    #[test]
    fn flags_are_a_set_of_bits() {
        let none = (&[][..], &[0, 0][..], &[0, 0][..]);
        check(256, none, (&[], &[0, 0], &[0, 0]), Err("the flags of an object are none"));
        check(-1, none, (&[], &[0, 0], &[0, 0]), Err("the flags of an object are none"));
    }
}
