//! Events as flat columns.

use std::path::Path;
use std::sync::Arc;

use churn_events::{FlatEvent, WholeFile};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::Error;
use crate::record::{Record, Texts};
use crate::slices::Slices;

/// `type` goes without the prefix that all types share.
const SCHEMA: &str = "message events {
    required int64 received_at (timestamp(millis,true));
    required int64 occurred_at (timestamp(millis,true));
    required binary id (string);
    required binary source (string);
    required binary type (string);
    required binary tenant (string);
    optional binary user_id (string);
    optional binary session_id (string);
    optional binary job_id (string);
    optional binary status (string);
    optional int64 servers;
    optional int64 data_size;
    optional double amount;
    optional binary reason (string);
    optional binary company (string);
    optional binary industry (string);
    optional double revenue;
    optional int64 employees;
    optional double sentiment;
    optional double monthly_charge;
}";
/// Events in a row group.
const GROUP: usize = 262_144;

pub(super) struct ColumnFile(SerializedFileWriter<WholeFile>);

impl ColumnFile {
    pub(super) fn begin(file: WholeFile, path: &Path) -> Result<Self, Error> {
        let wrap = |source| Error::WriteParquet { path: path.to_owned(), source };
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(wrap)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            // Without the version of the library, the same events are the same bytes for longer.
            .set_created_by("churn-simulator".to_owned())
            .build();
        Ok(Self(SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(wrap)?))
    }

    pub(super) fn write(&mut self, slices: &Slices<'_>, records: &[Record], path: &Path) -> Result<(), Error> {
        records
            .chunks(GROUP)
            .try_for_each(|records| self.group(slices, records))
            .map_err(|source| Error::WriteParquet { path: path.to_owned(), source })
    }

    fn group(&mut self, slices: &Slices<'_>, records: &[Record]) -> Result<(), ParquetError> {
        let columns = Columns::of(slices, records);
        let mut group = self.0.next_row_group()?;
        column::<Int64Type>(&mut group, &columns.received_at)?;
        column::<Int64Type>(&mut group, &columns.occurred_at)?;
        for texts in [&columns.id, &columns.source, &columns.r#type, &columns.tenant] {
            column::<ByteArrayType>(&mut group, texts)?;
        }
        for texts in [&columns.user_id, &columns.session_id, &columns.job_id, &columns.status] {
            column::<ByteArrayType>(&mut group, texts)?;
        }
        column::<Int64Type>(&mut group, &columns.servers)?;
        column::<Int64Type>(&mut group, &columns.data_size)?;
        column::<DoubleType>(&mut group, &columns.amount)?;
        for texts in [&columns.reason, &columns.company, &columns.industry] {
            column::<ByteArrayType>(&mut group, texts)?;
        }
        column::<DoubleType>(&mut group, &columns.revenue)?;
        column::<Int64Type>(&mut group, &columns.employees)?;
        column::<DoubleType>(&mut group, &columns.sentiment)?;
        column::<DoubleType>(&mut group, &columns.monthly_charge)?;
        group.close()?;
        Ok(())
    }

    pub(super) fn finish(self, path: &Path) -> Result<WholeFile, Error> {
        self.0.into_inner().map_err(|source| Error::WriteParquet { path: path.to_owned(), source })
    }
}

/// The values of a column that are there, and for each event whether one is.
struct Column<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, WholeFile>,
    column: &Column<T::T>,
) -> Result<(), ParquetError> {
    if let Some(mut writer) = group.next_column()? {
        // A column in which every value must be there takes no levels, and passes over those it is given.
        writer.typed::<T>().write_batch(&column.values, Some(&column.levels), None)?;
        writer.close()?;
    }
    Ok(())
}

#[derive(Default)]
struct Columns {
    received_at: Column<i64>,
    occurred_at: Column<i64>,
    id: Column<ByteArray>,
    source: Column<ByteArray>,
    r#type: Column<ByteArray>,
    tenant: Column<ByteArray>,
    user_id: Column<ByteArray>,
    session_id: Column<ByteArray>,
    job_id: Column<ByteArray>,
    status: Column<ByteArray>,
    servers: Column<i64>,
    data_size: Column<i64>,
    amount: Column<f64>,
    reason: Column<ByteArray>,
    company: Column<ByteArray>,
    industry: Column<ByteArray>,
    revenue: Column<f64>,
    employees: Column<i64>,
    sentiment: Column<f64>,
    monthly_charge: Column<f64>,
}

impl Columns {
    fn of(slices: &Slices<'_>, records: &[Record]) -> Self {
        let mut columns = Self::default();
        let mut texts = Texts::default();
        records.iter().for_each(|record| columns.push(&slices.event(record, &mut texts)));
        columns
    }

    fn push(&mut self, event: &churn_events::Event<'_>) {
        let text = |text: &str| Some(ByteArray::from(text));
        self.received_at.push(Some(event.received_at.millis()));
        self.occurred_at.push(Some(event.occurred_at.millis()));
        self.id.push(text(&event.id));
        self.source.push(text(&event.source));
        self.tenant.push(text(&event.tenant));
        let fields = FlatEvent::of(&event.kind);
        self.r#type.push(text(fields.event_type));
        self.user_id.push(fields.user.and_then(text));
        self.session_id.push(fields.session.and_then(text));
        self.job_id.push(fields.job.and_then(text));
        self.status.push(fields.status.and_then(text));
        self.servers.push(fields.servers);
        self.data_size.push(fields.data_size);
        self.amount.push(fields.amount);
        self.reason.push(fields.reason.and_then(text));
        let attributes = fields.attributes;
        self.company.push(attributes.and_then(|attributes| attributes.company.as_deref()).and_then(text));
        self.industry.push(attributes.and_then(|attributes| attributes.industry.as_deref()).and_then(text));
        self.revenue.push(attributes.and_then(|attributes| attributes.revenue));
        self.employees.push(attributes.and_then(|attributes| attributes.employees).map(i64::from));
        self.sentiment.push(attributes.and_then(|attributes| attributes.sentiment));
        self.monthly_charge
            .push(attributes.and_then(|attributes| attributes.monthly_charge).map(|charge| charge.dollars()));
    }
}
