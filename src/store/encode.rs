//! The columns of a heap into a Parquet file, batch by batch: nothing the size of the heap is made on the way.

use std::cell::LazyCell;
use std::io::Write;
use std::ops::Range;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::analyse::Holdings;
use crate::heap::{Capture, ObjectId};

/// Rows that readers may take on side by side; also how much is held in memory before it is written.
const GROUP_ROWS: usize = 1 << 20;
/// Rows handed to the packer at a time.
const BATCH_ROWS: usize = 1 << 14;

/// Writes all objects of the heap by ascending address; who holds what is asked for when the columns of the heap itself are
/// written.
pub(super) fn rows<'f, W: Write + Send>(
    capture: &Capture,
    holdings: impl FnOnce() -> Option<&'f Holdings>,
    file: &mut SerializedFileWriter<W>,
) -> Result<()> {
    let holdings = LazyCell::new(holdings);
    let Capture { heap, target, collection, .. } = capture;
    let (types, names) = (shared(heap.type_names()), shared(heap.names()));
    for group in slices(0..heap.len(), GROUP_ROWS) {
        let mut out = Group { writer: file.next_row_group()?, rows: group };
        out.column::<Int64Type>(|row| heap.address(row).0 as i64)?;
        out.column::<ByteArrayType>(|row| types[heap.type_of(row).index()].clone())?;
        out.column::<Int64Type>(|row| heap.size(row) as i64)?;
        out.column::<Int32Type>(|row| i32::from(heap.flags(row).0))?;
        // Unsigned rows are kept in signed fields, bit for bit: so says the logical type.
        let referents = |row| heap.referents(row);
        out.list::<Int32Type>(1, referents, |&referent| Some(referent as i32))?;
        let name = |&name: &u32| (name != 0).then(|| names[name as usize].clone());
        out.list::<ByteArrayType>(2, |row| heap.edge_name_ids(row), name)?;
        let holdings = holdings.ok_or_else(|| not_found("who holds what"))?;
        out.optional::<Int32Type>(|row| Some(holdings.dominator(row)?.0 as i32))?;
        out.optional::<Int64Type>(|row| Some(holdings.retained(row)? as i64))?;
        out.column::<Int64Type>(|row| holdings.by_type[heap.type_of(row).index()] as i64)?;
        out.same::<ByteArrayType>(&*target.host)?;
        out.same::<Int32Type>(target.pid)?;
        out.same::<ByteArrayType>(&*target.start_time)?;
        out.same::<ByteArrayType>(&*collection.started_at)?;
        let contents = heap.contents().unwrap_or_default();
        out.optional::<Int64Type>(|row| contents.get(row.index()).filter(|&&content| content != 0).map(|&c| c as i64))?;
        out.writer.close()?;
    }
    Ok(())
}

/// What was looked for, and in vain.
pub(super) fn not_found(what: &str) -> ParquetError {
    ParquetError::General(format!("{what} could not be found"))
}

/// A row group being written, column after column.
struct Group<'a, W: Write> {
    writer: SerializedRowGroupWriter<'a, W>,
    rows: Range<usize>,
}

impl<W: Write + Send> Group<'_, W> {
    /// The next column, one value per row.
    fn column<T: DataType>(&mut self, value: impl Fn(ObjectId) -> T::T) -> Result<()> {
        let mut column = self.writer.next_column()?.ok_or_else(no_column)?;
        let mut values = Vec::with_capacity(BATCH_ROWS);
        for batch in slices(self.rows.clone(), BATCH_ROWS) {
            values.clear();
            values.extend(objects(batch).map(&value));
            column.typed::<T>().write_batch(&values, None, None)?;
        }
        column.close()
    }

    /// The next column, the same value in each row.
    fn same<T: DataType>(&mut self, value: impl Into<T::T>) -> Result<()> {
        let mut column = self.writer.next_column()?.ok_or_else(no_column)?;
        let values = vec![value.into(); BATCH_ROWS.min(self.rows.len())];
        for batch in slices(self.rows.clone(), BATCH_ROWS) {
            column.typed::<T>().write_batch(&values[..batch.len()], None, None)?;
        }
        column.close()
    }

    /// The next column, in each row a value or null.
    fn optional<T: DataType>(&mut self, value: impl Fn(ObjectId) -> Option<T::T>) -> Result<()> {
        let mut column = self.writer.next_column()?.ok_or_else(no_column)?;
        let (mut values, mut definitions) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(BATCH_ROWS));
        for batch in slices(self.rows.clone(), BATCH_ROWS) {
            values.clear();
            definitions.clear();
            for value in objects(batch).map(&value) {
                definitions.push(i16::from(value.is_some()));
                values.extend(value);
            }
            column.typed::<T>().write_batch(&values, Some(&definitions), None)?;
        }
        column.close()
    }

    /// The next column, a list per row; `present` is the definition level of an item that is not null.
    fn list<'h, T: DataType>(
        &mut self,
        present: i16,
        items: impl Fn(ObjectId) -> &'h [u32],
        value: impl Fn(&u32) -> Option<T::T>,
    ) -> Result<()> {
        let mut column = self.writer.next_column()?.ok_or_else(no_column)?;
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        for batch in slices(self.rows.clone(), BATCH_ROWS) {
            values.clear();
            definitions.clear();
            repetitions.clear();
            for object in objects(batch) {
                let items = items(object);
                // 0 starts a row, 1 goes on with it; an empty list is one entry that is not there.
                repetitions.push(0);
                if items.is_empty() {
                    definitions.push(0);
                    continue;
                }
                repetitions.resize(repetitions.len() + items.len() - 1, 1);
                for item in items {
                    let value = value(item);
                    definitions.push(if value.is_some() { present } else { present - 1 });
                    values.extend(value);
                }
            }
            column.typed::<T>().write_batch(&values, Some(&definitions), Some(&repetitions))?;
        }
        column.close()
    }
}

/// Each of the texts, all in one buffer: there can be millions, and each written many times.
fn shared(texts: &[Box<str>]) -> Vec<ByteArray> {
    let all = ByteArray::from(texts.concat().into_bytes());
    let starts = texts.iter().scan(0, |end, text| {
        *end += text.len();
        Some(*end - text.len())
    });
    texts.iter().zip(starts).map(|(text, start)| all.slice(start, text.len())).collect()
}

/// `range` cut into pieces of at most `length`.
fn slices(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..end.min(start + length))
}

fn objects(rows: Range<usize>) -> impl Iterator<Item = ObjectId> {
    rows.map(|row| ObjectId(row as u32))
}

fn no_column() -> ParquetError {
    ParquetError::General("the schema has fewer columns than are written".to_owned())
}
