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
use super::schema::MAX_VALUES_PER_BYTE;
use crate::heap::{Columns, Flags, TypeId};

/// Rows taken from the decoder at a time.
const BATCH_ROWS: usize = 1 << 14;
/// All names together may be this long whatever the length of the file …
const NAMES_FLOOR: usize = 16 << 20;
/// … and this many times its length: names compress well, but not without end.
const MAX_NAME_EXPANSION: usize = 64;

/// What is wrong with the file; a lowercase fragment.
pub(super) type Damage = String;

/// All but the roots, which are not among the columns.
pub(super) fn columns(file: File, length: u64, metadata: &ParquetMetaData) -> Result<Columns, Damage> {
    let file = Arc::new(file);
    let budget = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(MAX_NAME_EXPANSION).max(NAMES_FLOOR);
    let (mut types, mut names) = (Interner::new(budget), Interner::new(budget));
    names.id(b"")?;
    let mut heap = Columns::default();
    // How many values each column has had.
    let mut counts = [0u64; 6];
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
        if group.num_columns() != counts.len() {
            return Err("a group has other columns than the schema".to_owned());
        }
        for (column, count) in group.columns().iter().zip(&mut counts) {
            let (start, size) = column.byte_range();
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
    }
    heap.starts.push(heap.referents.len() as u64);
    heap.type_names = types.into_table();
    heap.names = names.into_table();
    Ok(heap)
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
        let mut file = tempfile::tempfile().expect("a file");
        let properties = schema::properties(Vec::new()).expect("constants");
        let mut writer = SerializedFileWriter::new(&mut file, schema::schema(), properties.into()).expect("a writer");
        let mut group = writer.next_row_group().expect("a group");
        for index in 0..6 {
            let mut column = group.next_column().expect("open").expect("there are six");
            let written = match index {
                0 | 2 => column.typed::<Int64Type>().write_batch(&[16, 32], None, None),
                1 => column.typed::<ByteArrayType>().write_batch(&["t".into(), "t".into()], None, None),
                3 => column.typed::<Int32Type>().write_batch(&[flags; 2], None, None),
                4 => column.typed::<Int32Type>().write_batch(referents.0, Some(referents.1), Some(referents.2)),
                _ => {
                    let values: Vec<ByteArray> = names.0.iter().map(|&name| name.into()).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, Some(names.1), Some(names.2))
                }
            };
            written.expect("written");
            column.close().expect("closed");
        }
        group.close().expect("closed");
        writer.finish().expect("finished");
        drop(writer);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).expect("metadata");
        let length = file.metadata().expect("open").len();
        let found = columns(file, length, &metadata).map(|columns| columns.starts);
        assert_eq!(found.as_deref(), expected.map_err(str::to_owned).as_ref().copied());
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
