use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use churn_events::ObservationDate;
use churn_features::FeatureSchema;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::reader::get_typed_column_reader;
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::atomic::{Partial, failed, not_read};
use super::description::{DESCRIPTION_KEY, Description};
use super::rows::{Read, Rows, columns};
use crate::parquet_panics::without_panic;
use crate::{Assembled, AssemblyError, Error};

/// Rows of a row group: what is held in memory twice while a file is written.
const GROUP_ROWS: usize = 1 << 16;

/// Columns before the features, weight aside.
const N_KEYS: usize = 3;

pub(super) fn write(assembled: &Assembled, path: &Path) -> Result<(), Error> {
    let mut file = Partial::create(path)?;
    fill(assembled, &mut file).map_err(|error| match error {
        ParquetError::External(source) if source.is::<std::io::Error>() => {
            let source = source.downcast::<std::io::Error>().map_or_else(std::io::Error::other, |source| *source);
            failed(path, source)
        }
        source => AssemblyError::Parquet { path: path.to_owned(), source }.into(),
    })?;
    file.finish()
}

fn fill(assembled: &Assembled, file: &mut Partial) -> ParquetResult<()> {
    let rows = Rows(assembled);
    let schema = assembled.labelled.schema();
    let is_weighted = assembled.labelled.weights().is_some();
    let description = KeyValue::new(DESCRIPTION_KEY.to_owned(), Description::of(assembled).to_json());
    let properties = WriterProperties::builder()
        .set_created_by("churn-training-data".to_owned())
        .set_key_value_metadata(Some(vec![description]))
        .build();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(file_schema(schema, is_weighted)?), Arc::new(properties))?;
    for start in (0..rows.len()).step_by(GROUP_ROWS) {
        let group_rows = || start..rows.len().min(start + GROUP_ROWS);
        let mut group = writer.next_row_group()?;
        let tenants: Vec<ByteArray> = group_rows().map(|row| rows.key(row).0.into()).collect();
        next::<ByteArrayType, _>(&mut group, |column| column.write_batch(&tenants, None, None))?;
        let days: Vec<i32> = group_rows().map(|row| rows.key(row).1.days()).collect();
        next::<Int32Type, _>(&mut group, |column| column.write_batch(&days, None, None))?;
        optional::<BoolType, _>(&mut group, group_rows().map(|row| rows.label(row)))?;
        if is_weighted {
            optional::<FloatType, _>(&mut group, group_rows().map(|row| rows.weight(row)))?;
        }
        for (position, feature) in schema.features().iter().enumerate() {
            if feature.is_category() {
                let levels = group_rows().map(|row| rows.level(row, position).map(ByteArray::from));
                optional::<ByteArrayType, _>(&mut group, levels)?;
            } else {
                optional::<FloatType, _>(&mut group, group_rows().map(|row| rows.feature(row, position)))?;
            }
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn file_schema(schema: &FeatureSchema, is_weighted: bool) -> ParquetResult<Type> {
    let column = |name: &str, physical, logical: Option<LogicalType>, repetition| -> ParquetResult<TypePtr> {
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Ok(Arc::new(builder.with_logical_type(logical).build()?))
    };
    let (required, optional) = (Repetition::REQUIRED, Repetition::OPTIONAL);
    let names = columns(schema, is_weighted);
    let mut fields = vec![
        column(names[0], Physical::BYTE_ARRAY, Some(LogicalType::String), required)?,
        column(names[1], Physical::INT32, Some(LogicalType::Date), required)?,
        column(names[2], Physical::BOOLEAN, None, optional)?,
    ];
    if is_weighted {
        fields.push(column(names[N_KEYS], Physical::FLOAT, None, optional)?);
    }
    for feature in schema.features() {
        fields.push(if feature.is_category() {
            column(feature.name(), Physical::BYTE_ARRAY, Some(LogicalType::String), optional)?
        } else {
            column(feature.name(), Physical::FLOAT, None, optional)?
        });
    }
    Type::group_type_builder("training_set").with_fields(fields).build()
}

type Group<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Partial>;

fn next<T: DataType, R>(
    group: &mut Group<'_, '_>,
    write: impl FnOnce(&mut ColumnWriterImpl<'_, T>) -> ParquetResult<R>,
) -> ParquetResult<()> {
    let mut column = group.next_column()?.expect("this cannot fail because the schema has as many columns");
    write(column.typed::<T>())?;
    column.close()
}

fn optional<T: DataType, I: Iterator<Item = Option<T::T>>>(group: &mut Group<'_, '_>, cells: I) -> ParquetResult<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    next::<T, _>(group, |column| column.write_batch(&values, Some(&levels), None))
}

pub(super) fn read(path: &Path) -> Result<Assembled, Error> {
    let file = File::open(path).map_err(|source| not_read(path, source))?;
    if path.is_dir() {
        return Err(Error::Directory { path: path.to_owned() });
    }
    let broken = |source| AssemblyError::Parquet { path: path.to_owned(), source };
    let reader = without_panic(|| SerializedFileReader::new(file)).map_err(broken)?;
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let description = pairs.filter(|pair| pair.key == DESCRIPTION_KEY).find_map(|pair| pair.value.as_deref());
    let description =
        description.ok_or_else(|| AssemblyError::NoDescription { path: path.to_owned(), key: DESCRIPTION_KEY })?;
    let description = Description::from_json(path, description.as_bytes())?;
    check_columns(path, &description, metadata.schema())?;

    let mut read = Read::default();
    for group in 0..reader.num_row_groups() {
        let group = without_panic(|| reader.get_row_group(group)).map_err(broken)?;
        read_group(path, group.as_ref(), &description, &mut read)?;
    }
    read.assemble(path, description)
}

/// Refuses a file whose columns are not those of its description.
fn check_columns(path: &Path, description: &Description, found: &Type) -> Result<(), Error> {
    let wanted = file_schema(&description.schema, description.is_weighted)
        .map_err(|source| AssemblyError::Parquet { path: path.to_owned(), source })?;
    let text = |column: Option<&TypePtr>| match column {
        Some(column) if column.is_primitive() => {
            let repetition = column.get_basic_info().repetition();
            format!("{:?} {} {repetition}", column.name(), column.get_physical_type())
        }
        Some(column) => format!("the group {:?}", column.name()),
        None => "nothing".to_owned(),
    };
    let (found, wanted) = (found.get_fields(), wanted.get_fields());
    for position in 0..found.len().max(wanted.len()) {
        let (found, expected) = (text(found.get(position)), text(wanted.get(position)));
        if found != expected {
            return Err(AssemblyError::Column { path: path.to_owned(), position: position + 1, found, expected }.into());
        }
    }
    Ok(())
}

fn read_group(
    path: &Path,
    group: &dyn RowGroupReader,
    description: &Description,
    read: &mut Read,
) -> Result<(), Error> {
    let schema = &description.schema;
    let (first_row, width) = (read.tenants.len(), schema.len());
    let columns = columns(schema, description.is_weighted);
    let value = |position: usize, row: usize, found: String| AssemblyError::Value {
        path: path.to_owned(),
        row: first_row + row,
        column: columns[position].to_owned(),
        found,
    };
    for (row, tenant) in cells::<ByteArrayType>(path, group, 0)?.into_iter().enumerate() {
        let tenant = tenant.as_ref().and_then(|tenant| tenant.as_utf8().ok()).map(str::to_owned);
        read.tenants.push(tenant.ok_or_else(|| value(0, row, "bytes that are no text".to_owned()))?);
    }
    let dates = cells::<Int32Type>(path, group, 1)?.into_iter().flatten();
    read.dates.extend(dates.map(ObservationDate::from_days));
    read.labels.extend(cells::<BoolType>(path, group, 2)?);
    let n_rows = read.tenants.len() - first_row;
    let mut first_feature = N_KEYS;
    if description.is_weighted {
        read.weights.extend(cells::<FloatType>(path, group, N_KEYS)?);
        first_feature += 1;
    }
    read.features.resize((first_row + n_rows) * width, f32::NAN);
    for (position, feature) in schema.features().iter().enumerate() {
        let column = first_feature + position;
        let slots = read.features[first_row * width..].iter_mut().skip(position).step_by(width);
        if feature.is_category() {
            let levels = cells::<ByteArrayType>(path, group, column)?;
            for (row, (slot, level)) in slots.zip(levels).enumerate() {
                let Some(level) = level else { continue };
                let code = feature.levels().iter().position(|name| name.as_bytes() == level.data());
                let text = || String::from_utf8_lossy(level.data()).into_owned();
                *slot = code.ok_or_else(|| value(column, row, text()))? as f32;
            }
        } else {
            let values = cells::<FloatType>(path, group, column)?;
            slots.zip(values).for_each(|(slot, value)| *slot = value.unwrap_or(f32::NAN));
        }
    }
    Ok(())
}

/// The cells of a column of a row group, one for each row.
fn cells<T: DataType>(path: &Path, group: &dyn RowGroupReader, column: usize) -> Result<Vec<Option<T::T>>, Error> {
    let broken = |source| AssemblyError::Parquet { path: path.to_owned(), source };
    let n_rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    let is_optional = group.metadata().column(column).column_descr().max_def_level() > 0;
    let reader = without_panic(|| group.get_column_reader(column)).map_err(broken)?;
    let mut reader = get_typed_column_reader::<T>(reader);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut n_read = 0;
    while n_read < n_rows {
        let levels = is_optional.then_some(&mut levels);
        let read = without_panic(|| reader.read_records(n_rows - n_read, levels, None, &mut values));
        let (n, ..) = read.map_err(broken)?;
        if n == 0 {
            return Err(
                AssemblyError::ShortColumn { path: path.to_owned(), column, found: n_read, expected: n_rows }.into()
            );
        }
        n_read += n;
    }
    let mut values = values.into_iter();
    Ok(if is_optional {
        levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect()
    } else {
        values.map(Some).collect()
    })
}
