//! Snapshot files, read by their documented columns alone: as any other program would.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

/// One row, its references as addresses.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) size: u64,
    pub(crate) referents: Vec<u64>,
}

/// By address.
pub(crate) type Objects = HashMap<u64, Object>;

pub(crate) fn open(path: &Path) -> Objects {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema();
    let wanted = ["address", "type", "size", "referents"];
    let fields = schema.get_fields().iter().filter(|field| wanted.contains(&field.name())).cloned().collect();
    let columns = Type::group_type_builder(schema.name()).with_fields(fields).build().unwrap();

    let (mut addresses, mut rows) = (Vec::new(), Vec::new());
    for row in reader.get_row_iter(Some(columns)).unwrap() {
        let row = row.unwrap().into_columns();
        let [
            (_, Field::ULong(address)),
            (_, Field::Str(kind)),
            (_, Field::ULong(size)),
            (_, Field::ListInternal(referents)),
        ] = row.as_slice()
        else {
            panic!("columns of another kind: {row:?}");
        };
        let referents = referents.elements().iter().map(|referent| match referent {
            Field::UInt(row) => *row as usize,
            other => panic!("a referent of another kind: {other:?}"),
        });
        addresses.push(*address);
        rows.push((kind.clone(), *size, referents.collect::<Vec<usize>>()));
    }
    let count = addresses.len();
    let object = |(kind, size, referents): (String, u64, Vec<usize>)| {
        let referents = referents.into_iter().map(|row| addresses[row]).collect();
        Object { kind, size, referents }
    };
    let objects: Objects = addresses.iter().copied().zip(rows.into_iter().map(object)).collect();
    assert_eq!(objects.len(), count, "two rows of one address");
    objects
}
