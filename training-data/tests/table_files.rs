//! Tables of several files and of every format: one way of reading cells, whatever they stand in.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use churn_features::write_row;
use churn_training_data::{TableFile, TableFormat, TableOptions, TrainingSet, column_names, read_tables};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, format: TableFormat, bytes: &[u8]) -> TableFile {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        TableFile { path, format }
    }

    fn csv(&self, name: &str, text: &str) -> TableFile {
        self.file(name, TableFormat::Csv, text.as_bytes())
    }
}

fn read(files: &[TableFile], options: &TableOptions) -> Result<(TrainingSet, Vec<usize>), String> {
    let (table, counts) = read_tables(files, options).map_err(|error| error_line(&error))?;
    Ok((TrainingSet::from_table(table).map_err(|error| error_line(&error))?, counts))
}

fn error_line(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn the_rows_of_several_files_are_one_table_in_their_order() {
    let folder = Folder::new();
    let files = [
        folder.csv("a.csv", "1,5,gold\n0,6,free\n"),
        folder.file("b.csv", TableFormat::Csv, &gzip("0,7,gold\n")),
        folder.csv("c.csv", "1,8,\n"),
    ];
    let (set, counts) = read(&files, &TableOptions::headerless()).unwrap();
    assert_eq!((set.labels(), counts), ([true, false, false, true].as_slice(), vec![2, 1, 1]));
    assert_eq!(set.features().column(0).to_vec(), [5.0, 6.0, 7.0, 8.0]);
    assert_eq!(set.schema().features()[1].levels(), ["free", "gold"]);
}

#[test]
fn columns_with_names_are_matched_by_name() {
    let folder = Folder::new();
    let files = [folder.csv("a.csv", "churn,x,y\n1,2,3\n"), folder.csv("b.csv", "y,churn,x\n6,0,5\n")];
    let (set, _) = read(&files, &TableOptions::new("churn")).unwrap();
    assert_eq!(set.features().iter().copied().collect::<Vec<_>>(), [2.0, 3.0, 5.0, 6.0]);
    assert_eq!(column_names(&files, true).unwrap(), ["churn", "x", "y"]);
    let other = [files[0].clone(), folder.csv("c.csv", "churn,x,z\n1,2,3\n")];
    let message = read(&other, &TableOptions::new("churn")).unwrap_err();
    assert!(message.contains("c.csv") && message.contains("lacks \"y\""), "{message}");
}

#[test]
fn an_error_names_the_file_that_it_is_in() {
    let folder = Folder::new();
    let files = [folder.csv("a.csv", "1,2\n0,3\n"), folder.csv("b.csv", "1,4\n,5\n")];
    let message = read(&files, &TableOptions::headerless()).unwrap_err();
    assert!(message.contains("b.csv\", line 2, column \"label\""), "{message}");
    let files = [files[0].clone(), folder.csv("c.csv", "1,4,5\n")];
    let message = read(&files, &TableOptions::headerless()).unwrap_err();
    assert!(message.contains("c.csv\" has 3 columns and") && message.contains("a.csv\" has 2"), "{message}");
}

#[test]
fn a_header_that_nobody_declared_is_refused() {
    let folder = Folder::new();
    let message = read(&[folder.csv("a.csv", "Churn,jobs\n1,2\n0,3\n")], &TableOptions::headerless()).unwrap_err();
    assert!(message.contains("looks like a header (\"Churn\", \"jobs\")"), "{message}");
    let words = folder.csv("b.csv", "yes,gold\nno,free\n");
    assert_eq!(read(&[words], &TableOptions::headerless()).unwrap().0.n_observations(), 2);
}

#[test]
fn rows_of_every_format_give_the_same_training_set() {
    let folder = Folder::new();
    let rows = [(1.0, [5.0, 0.0, 2.5]), (0.0, [0.0, 1e10, -3.0]), (0.0, [0.5, 0.0, 0.0])];
    let mut record_io = Vec::new();
    rows.iter().for_each(|(label, row)| write_row(&mut record_io, Some(*label), row));
    let files = [
        folder.csv("a.csv", "1,5,0,2.5\n0,0,1e10,-3\n0,0.5,0,0\n"),
        folder.file("a.rec", TableFormat::RecordIo, &record_io),
        folder.file("a.svm", TableFormat::Libsvm, b"1 1:5 3:2.5\n0 2:1e10 3:-3\n0 1:0.5\n"),
        folder.file("zero.svm", TableFormat::Libsvm, b"1 0:5 2:2.5\n0 1:1e10 2:-3\n0 0:0.5\n"),
    ];
    let set = |file: &TableFile| read(std::slice::from_ref(file), &TableOptions::headerless()).unwrap().0;
    let expected = set(&files[0]);
    for file in &files[1..] {
        let found = set(file);
        assert_eq!((found.features(), found.labels()), (expected.features(), expected.labels()), "{:?}", file.path);
        let names: Vec<&str> = found.schema().features().iter().map(|feature| feature.name()).collect();
        // Whoever sends rows later has to count as they were counted here, which the names tell.
        let is_from_zero = file.path.ends_with("zero.svm");
        let expected = if is_from_zero { ["f0", "f1", "f2"] } else { ["column_1", "column_2", "column_3"] };
        assert_eq!(names, expected, "{:?}", file.path);
    }
}

#[test]
fn a_sparse_row_cannot_ask_for_a_table_of_any_width() {
    let folder = Folder::new();
    let file = folder.file("a.svm", TableFormat::Libsvm, b"1 1:5\n0 99999999999:1\n");
    let message = read(&[file], &TableOptions::headerless()).unwrap_err();
    assert!(message.contains("line 2: there is a value for feature") && message.contains("at most 65536"), "{message}");
}

#[test]
fn parquet_is_read_like_csv() {
    let folder = Folder::new();
    let path = folder.0.path().join("a.parquet");
    write_parquet(&path);
    let file = TableFile { path, format: TableFormat::Parquet };
    assert_eq!(column_names(std::slice::from_ref(&file), true).unwrap(), ["Churn", "fee", "plan"]);
    let (set, counts) = read(&[file], &TableOptions::new("Churn")).unwrap();
    let same = folder.csv("a.csv", "Churn,fee,plan\n1,0,gold\n0,2.5,free\n0,,gold\n");
    let (expected, _) = read(&[same], &TableOptions::new("Churn")).unwrap();
    assert_eq!((counts, set.schema(), set.labels()), (vec![3], expected.schema(), expected.labels()));
    let bits = |set: &TrainingSet| set.features().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&set), bits(&expected));
}

/// Packed with Snappy, as Spark and pandas do.
fn write_parquet(path: &PathBuf) {
    let field = |name: &str, physical, logical, repetition| {
        let field = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Arc::new(field.with_logical_type(logical).build().expect("a type"))
    };
    let schema = Type::group_type_builder("schema").with_fields(vec![
        field("Churn", Physical::INT64, None, Repetition::REQUIRED),
        field("fee", Physical::DOUBLE, None, Repetition::OPTIONAL),
        field("plan", Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
    ]);
    let schema = Arc::new(schema.build().expect("a schema"));
    let packed = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let file = std::fs::File::create(Path::new(path)).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, packed).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("sound").expect("a column");
    column.typed::<Int64Type>().write_batch(&[1, 0, 0], None, None).expect("labels");
    column.close().expect("closes");
    let mut column = group.next_column().expect("sound").expect("a column");
    column.typed::<DoubleType>().write_batch(&[0.0, 2.5], Some(&[1, 1, 0]), None).expect("fees");
    column.close().expect("closes");
    let mut column = group.next_column().expect("sound").expect("a column");
    let plans = ["gold", "free", "gold"].map(Into::into);
    column.typed::<ByteArrayType>().write_batch(&plans, None, None).expect("plans");
    column.close().expect("closes");
    group.close().expect("closes");
    writer.close().expect("closes");
}
