//! Score records as a Parquet file.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::ScoreRecord;

/// The names of the JSON form. None of them is `tenant` or `date`, which the folders are named after.
const SCHEMA: &str = "message score_records {
    required binary id (string);
    required binary companyID (string);
    optional binary industry (string);
    optional float revenu;
    optional int32 employee;
    required int32 job30;
    required int32 job90;
    optional float monthlyFee;
    optional float totalFee;
    required boolean riskOfChurn;
    required double score;
    required double threshold;
    required int32 observationDate (date);
    required group reasons (list) { repeated group list { required binary element (string); } }
    required binary modelId (string);
    optional binary eventSource (string);
    optional binary eventId (string);
    required int64 receivedAt (timestamp(millis,true));
}";

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// The bytes of the file.
pub(super) fn write(records: &[ScoreRecord]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        // Without the version of the library, the same records are the same bytes for longer.
        .set_created_by("churn-streaming".to_owned())
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    let rows = &mut Rows { group: &mut group, records };
    rows.texts(|record| Some(format!("{:032x}", record.id).as_str().into()))?;
    rows.texts(|record| Some(text(&record.tenant)))?;
    rows.texts(|record| record.company.industry.as_deref().map(text))?;
    rows.column::<FloatType>(|record| record.company.revenue)?;
    rows.column::<Int32Type>(|record| record.company.employees.map(whole))?;
    rows.column::<Int32Type>(|record| Some(whole(record.company.job30)))?;
    rows.column::<Int32Type>(|record| Some(whole(record.company.job90)))?;
    rows.column::<FloatType>(|record| record.company.monthly_fee)?;
    rows.column::<FloatType>(|record| record.company.total_fee)?;
    rows.column::<BoolType>(|record| Some(record.at_risk))?;
    rows.column::<DoubleType>(|record| Some(record.score))?;
    rows.column::<DoubleType>(|record| Some(record.threshold))?;
    rows.column::<Int32Type>(|record| Some(record.observation_date.days()))?;
    rows.reasons()?;
    rows.texts(|record| Some(text(&record.model_id)))?;
    rows.texts(|record| record.event.as_ref().map(|event| text(&event.source)))?;
    rows.texts(|record| record.event.as_ref().map(|event| text(&event.id)))?;
    rows.column::<Int64Type>(|record| Some(record.received_at.millis()))?;
    group.close()?;
    file.into_inner()
}

fn text(text: &str) -> ByteArray {
    text.into()
}

/// Counts and head counts: engines know no unsigned column, and 2 billion are enough.
fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

struct Rows<'a, 'b> {
    group: &'a mut Group<'b>,
    records: &'a [ScoreRecord],
}

impl Rows<'_, '_> {
    /// The next column.
    fn column<T: DataType>(&mut self, value: impl Fn(&ScoreRecord) -> Option<T::T>) -> Result<(), ParquetError> {
        let all: Vec<Option<T::T>> = self.records.iter().map(value).collect();
        let levels: Vec<i16> = all.iter().map(|value| i16::from(value.is_some())).collect();
        let values: Vec<T::T> = all.into_iter().flatten().collect();
        self.put::<T>(&values, &levels, None)
    }

    fn texts(&mut self, value: impl Fn(&ScoreRecord) -> Option<ByteArray>) -> Result<(), ParquetError> {
        self.column::<ByteArrayType>(value)
    }

    /// The list: a level of 1 says that there is a reason, a repetition of 1 that it is not the record's first.
    fn reasons(&mut self) -> Result<(), ParquetError> {
        let (mut values, mut levels, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        for record in self.records {
            if record.reasons.is_empty() {
                levels.push(0);
                repetitions.push(0);
            }
            for (number, reason) in record.reasons.iter().enumerate() {
                values.push(text(reason));
                levels.push(1);
                repetitions.push(i16::from(number > 0));
            }
        }
        self.put::<ByteArrayType>(&values, &levels, Some(&repetitions))
    }

    fn put<T: DataType>(
        &mut self,
        values: &[T::T],
        levels: &[i16],
        repetitions: Option<&[i16]>,
    ) -> Result<(), ParquetError> {
        if let Some(mut writer) = self.group.next_column()? {
            // A column in which every value must be there takes no levels, and passes over those it is given.
            writer.typed::<T>().write_batch(values, Some(levels), repetitions)?;
            writer.close()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use churn_events::ObservationDate;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{ListAccessor, Row, RowAccessor};

    use super::*;
    use crate::{CompanyNumbers, EventIdentity};

    fn record(number: u128, reasons: &[&str]) -> ScoreRecord {
        let date = ObservationDate::from_days(20_000);
        ScoreRecord {
            id: number,
            tenant: format!("t-{number}").into(),
            company: CompanyNumbers::default(),
            at_risk: true,
            score: 0.1 + 0.2,
            threshold: 0.5,
            observation_date: date,
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            model_id: "m".into(),
            event: None,
            received_at: date.start(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let full = ScoreRecord {
            company: CompanyNumbers {
                industry: Some("retail".into()),
                revenue: Some(2.5),
                employees: Some(u32::MAX),
                job30: 3,
                job90: 9,
                monthly_fee: Some(400.0),
                total_fee: Some(1_200.0),
            },
            event: Some(EventIdentity { source: "/jobs".into(), id: "e-1".into() }),
            ..record(2, &["one", "two"])
        };
        let bytes = write(&[record(1, &[]), full, record(3, &["three"])]).expect("is written");
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("is a file");
        let rows: Vec<Row> = file.get_row_iter(None).expect("has rows").map(|row| row.expect("is read")).collect();
        let reasons = |row: &Row| -> Vec<String> {
            let list = row.get_list(13).expect("is a list");
            (0..list.len()).map(|i| list.get_string(i).expect("is text").clone()).collect()
        };
        assert_eq!(rows.iter().map(reasons).collect::<Vec<_>>(), [vec![], vec!["one", "two"], vec!["three"]]);
        assert!(rows[0].get_string(2).is_err() && rows[0].get_int(4).is_err() && rows[0].get_string(15).is_err());
        let full = &rows[1];
        let texts = [0, 1, 2, 14, 15, 16].map(|column| full.get_string(column).expect("is text").as_str());
        assert_eq!(texts, [&format!("{:032x}", 2), "t-2", "retail", "m", "/jobs", "e-1"]);
        let floats = [3, 7, 8].map(|column| full.get_float(column).expect("is a number"));
        assert_eq!(floats, [2.5, 400.0, 1_200.0]);
        let counts = [4, 5, 6].map(|column| full.get_int(column).expect("is a count"));
        assert_eq!(counts, [i32::MAX, 3, 9]);
        assert_eq!((full.get_bool(9).ok(), full.get_double(10).ok()), (Some(true), Some(0.1 + 0.2)));
        assert_eq!(full.get_timestamp_millis(17).ok(), Some(20_000 * 86_400_000));
    }
}
