//! JSON Schemas of the event types, made from the table that the decoder uses.

use serde_json::{Map, Value, json};

use crate::event_types::{Content, EventType, Field, TYPE_PREFIX};
use crate::{Event, EventKind, JobStatus, Money, TenantAttributes, Timestamp, encode};

/// The JSON Schema of one type of event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSchema {
    /// The full name of the type.
    pub event_type: String,
    /// JSON Schema, draft 2020-12, with an example.
    pub schema: Value,
}

impl EventSchema {
    /// The name of its file in `docs/schemas`.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.event_type.trim_start_matches(TYPE_PREFIX))
    }

    /// What stands in its file.
    pub fn file_text(&self) -> String {
        format!("{:#}\n", self.schema)
    }
}

/// The JSON Schemas of all types, ready for a schema registry.
///
/// An event that fits its schema can be decoded and the other way round, but that a schema cannot tell a day that is in
/// no calendar, and that a number with too many digits is refused by [`decode`](crate::decode) alone.
///
/// # Example
/// ```
/// let schemas = churn_events::event_schemas();
/// assert_eq!(schemas.len(), 12);
/// assert_eq!(schemas[0].schema["properties"]["type"]["const"], "com.anycompany.bdcp.tenant.created");
/// ```
pub fn event_schemas() -> Vec<EventSchema> {
    EventType::ALL.into_iter().map(schema).collect()
}

fn schema(event_type: EventType) -> EventSchema {
    let name = format!("{TYPE_PREFIX}{}", event_type.name());
    let fields = event_type.fields();
    let properties: Map<_, _> = fields.iter().map(|&(field, _)| (field.name().to_owned(), content(field))).collect();
    let required: Vec<_> =
        fields.iter().filter(|(_, is_required)| *is_required).map(|(field, _)| field.name()).collect();
    let mut data = json!({ "type": "object", "properties": properties });
    let mut required_attributes = vec!["specversion", "id", "source", "type", "subject", "time"];
    if required.is_empty() {
        data["type"] = json!(["object", "null"]);
    } else {
        data["required"] = json!(required);
        required_attributes.push("data");
    }
    let text = |description: &str| json!({ "description": description, "type": "string", "minLength": 1 });
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:churn:{name}"),
        "title": name,
        "description": event_type.description(),
        "type": "object",
        "required": required_attributes,
        "properties": {
            "specversion": { "description": "The version of CloudEvents.", "const": "1.0" },
            "id": text("With source, what tells this event from every other; the same pair again is a duplicate."),
            "source": text("Who emitted it."),
            "type": { "description": "What kind of fact it is.", "const": name },
            "subject": text("The tenant it is about."),
            "time": time("When it happened.", json!("string")),
            "recordedtime": time(
                "When this system could first have known it; without it, the arrival of the event or its time.",
                json!(["string", "null"]),
            ),
            "data_base64": { "description": "Data as bytes are not read.", "type": "null" },
            "data": data,
        },
        "examples": [example(event_type)],
    });
    EventSchema { event_type: name, schema }
}

fn time(description: &str, kind: Value) -> Value {
    json!({
        "description": description,
        "type": kind,
        "format": "date-time",
        // With a zone, of the years from 1970 to 2100.
        "pattern": "^(19[7-9][0-9]|20[0-9][0-9]|2100)-.*([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    })
}

/// A field that does not have to be there may also be `null`.
fn content(field: Field) -> Value {
    let number = |least: f64| json!({ "type": ["number", "null"], "minimum": least });
    let whole = |most: u64| json!({ "type": ["integer", "null"], "minimum": 0, "maximum": most });
    let mut content = match field.content() {
        Content::Text => json!({ "type": ["string", "null"] }),
        Content::Id => json!({ "type": "string", "minLength": 1 }),
        Content::Count => whole(u64::from(u32::MAX)),
        Content::Bytes => whole(u64::MAX),
        Content::Amount | Content::Charge => number(0.0),
        Content::Sentiment => json!({ "type": ["number", "null"], "minimum": -1, "maximum": 1 }),
        Content::Dollars => json!({ "type": "number" }),
        Content::Status => json!({ "enum": ["succeeded", "failed"] }),
    };
    // Those that have to be there are not null.
    if EventType::ALL.iter().any(|event_type| event_type.fields().contains(&(field, true)))
        && content["type"].is_array()
    {
        content["type"] = content["type"][0].take();
    }
    if matches!(field.content(), Content::Charge | Content::Dollars) {
        content["maximum"] = json!(Money::from_cents(1 << 53).dollars());
    }
    if field.content() == Content::Dollars {
        content["minimum"] = json!(Money::from_cents(-(1 << 53)).dollars());
    }
    content["description"] = json!(field.description());
    content
}

/// An event of the type, as it is written.
fn example(event_type: EventType) -> Value {
    let (user, session, job) = ("user-3".into(), "session-41".into(), "job-9".into());
    let attributes = TenantAttributes {
        company: Some("Acme".into()),
        industry: Some("retail".into()),
        revenue: Some(120.5),
        employees: Some(340),
        sentiment: Some(0.25),
        monthly_charge: Some(Money::from_cents(49_990)),
    };
    let changed = TenantAttributes { employees: Some(355), ..TenantAttributes::default() };
    let kind = match event_type {
        EventType::TenantCreated => EventKind::TenantCreated(attributes),
        EventType::TenantUpdated => EventKind::TenantUpdated(changed),
        EventType::TenantBilled => EventKind::TenantBilled { amount: Money::from_cents(49_990) },
        EventType::TenantCancelled => EventKind::TenantCancelled { reason: Some("too expensive".into()) },
        EventType::UserAdded => EventKind::UserAdded { user },
        EventType::UserDeleted => EventKind::UserDeleted { user },
        EventType::UserLogin => EventKind::UserLogin { user, session },
        EventType::UserLogoff => EventKind::UserLogoff { user, session },
        EventType::UserSessionTimeout => EventKind::UserSessionTimeout { user, session },
        EventType::JobSubmitted => EventKind::JobSubmitted { job, user, servers: 4, data_size: 2_500_000_000 },
        EventType::JobTerminated => EventKind::JobTerminated { job, status: JobStatus::Succeeded },
        EventType::JobCancelled => EventKind::JobCancelled { job },
    };
    let occurred_at = Timestamp::from_millis(1_772_368_245_000);
    let event = Event {
        id: "0001".into(),
        source: "/platform".into(),
        tenant: "tenant-7".into(),
        occurred_at,
        received_at: Timestamp::from_millis(occurred_at.millis() + 1500),
        kind,
    };
    let mut line = Vec::new();
    encode(&event, &mut line);
    serde_json::from_slice(&line).expect("this cannot fail because events are written as JSON")
}
