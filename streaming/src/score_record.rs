use std::sync::Arc;

use churn_events::{ObservationDate, Timestamp};
use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3;

/// What leaves the system: how likely a tenant churns, and why.
///
/// As JSON it begins with the names of the original system's `enrichedcompanies`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreRecord {
    /// The same in every run and on every transport, so that what is delivered twice can be told.
    #[serde(serialize_with = "hex")]
    pub id: u128,
    /// The tenant.
    #[serde(rename = "companyID")]
    pub tenant: Box<str>,
    /// What the original system knew about a company.
    #[serde(flatten)]
    pub company: CompanyNumbers,
    /// The decision: `score >= threshold`.
    #[serde(rename = "riskOfChurn")]
    pub at_risk: bool,
    /// Probability of churn inside the label horizon.
    pub score: f64,
    /// The score from which on somebody acts.
    pub threshold: f64,
    /// The instant that the features end at.
    #[serde(serialize_with = "text")]
    pub observation_date: ObservationDate,
    /// The largest contributions in words, the largest first.
    pub reasons: Vec<String>,
    /// Digest of the model file.
    #[serde(rename = "modelId", serialize_with = "text")]
    pub model_id: Arc<str>,
    /// The event that it was made at; none when a date came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventIdentity>,
    /// When that event was received, or the date came.
    #[serde(serialize_with = "text")]
    pub received_at: Timestamp,
}

/// What tells an event from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventIdentity {
    /// Who emitted it.
    pub source: Box<str>,
    /// Its id there.
    pub id: Box<str>,
}

/// The columns of the original company table, under the names of its stream, from the tenant's events.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompanyNumbers {
    /// Its industry.
    pub industry: Option<Box<str>>,
    /// Its yearly revenue, in million dollars.
    #[serde(rename = "revenu")]
    pub revenue: Option<f32>,
    /// How many people it employs.
    #[serde(rename = "employee")]
    pub employees: Option<u32>,
    /// Jobs in 30 days.
    pub job30: u32,
    /// Jobs in 90 days.
    pub job90: u32,
    /// What it is charged per month, in dollars.
    pub monthly_fee: Option<f32>,
    /// What it was billed so far, in dollars.
    pub total_fee: Option<f32>,
}

impl ScoreRecord {
    /// The id of the record that a model makes of a tenant on a date, at an event or without one.
    ///
    /// # Source
    /// XXH3, 128 bits, over the parts, each behind its length.
    pub(crate) fn id_of(
        model_id: &str,
        tenant: &str,
        date: ObservationDate,
        event: Option<&EventIdentity>,
        received_at: Timestamp,
    ) -> u128 {
        let mut digest = Xxh3::new();
        let mut put = |part: &str| {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        };
        put(model_id);
        put(tenant);
        if let Some(event) = event {
            put(&event.source);
            put(&event.id);
        }
        digest.update(&date.days().to_le_bytes());
        // A copy of an event that is too old to be known as one counts again, and is another record.
        digest.update(&received_at.millis().to_le_bytes());
        digest.digest128()
    }
}

fn hex<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:032x}"))
}

fn text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_names_come_first_and_ours_after_them() {
        let event = EventIdentity { source: "/jobs".into(), id: "e-1".into() };
        let date = ObservationDate::from_days(20_000);
        let record = ScoreRecord {
            id: 0xab,
            tenant: "t-7".into(),
            company: CompanyNumbers { industry: Some("retail".into()), job30: 3, ..CompanyNumbers::default() },
            at_risk: true,
            score: 0.25,
            threshold: 0.125,
            observation_date: date,
            reasons: vec!["3 jobs".to_owned()],
            model_id: "m".into(),
            event: Some(event),
            received_at: date.start(),
        };
        let expected = concat!(
            r#"{"id":"000000000000000000000000000000ab","companyID":"t-7","industry":"retail","revenu":null,"#,
            r#""employee":null,"job30":3,"job90":0,"monthlyFee":null,"totalFee":null,"riskOfChurn":true,"score":0.25,"#,
            r#""threshold":0.125,"observationDate":"2024-10-04","reasons":["3 jobs"],"modelId":"m","#,
            r#""event":{"source":"/jobs","id":"e-1"},"receivedAt":"2024-10-04T00:00:00Z"}"#
        );
        assert_eq!(serde_json::to_string(&record).expect("is written"), expected);
    }

    #[test]
    fn ids_tell_models_tenants_dates_and_events_apart() {
        let event = |source: &str, id: &str| Some(EventIdentity { source: source.into(), id: id.into() });
        let date = ObservationDate::from_days(5);
        let received_at = date.start();
        let of = |model, tenant, date, event: Option<EventIdentity>| {
            ScoreRecord::id_of(model, tenant, date, event.as_ref(), received_at)
        };
        let ids = [
            of("m", "t", date, None),
            of("m2", "t", date, None),
            of("m", "t2", date, None),
            of("m", "t", date.plus_days(1), None),
            of("m", "t", date, event("a", "bc")),
            of("m", "t", date, event("ab", "c")),
        ];
        let different: std::collections::HashSet<u128> = ids.into_iter().collect();
        assert_eq!(different.len(), ids.len());
        assert_eq!(of("m", "t", date, None), ids[0]);
    }
}
