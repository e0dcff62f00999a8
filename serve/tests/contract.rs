//! What a request gets: the same scores from every format, and a reason where there are none.

mod asking;
mod served;

use std::sync::LazyLock;

use asking::{SERVED, ask_with, settings};
use churn_model::Model;
use churn_serve::{Answer, AnswerSettings, BadRows, Invocation, OutputKey, Problem, ServedModel, chain};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static MODEL: LazyLock<Model> = LazyLock::new(served::model);
static NAMELESS: LazyLock<ServedModel> = LazyLock::new(|| ServedModel::new(served::nameless_model()));

const ROWS: [[&str; 7]; 3] = [
    ["24670", "6168", "7", "41", "975", "yes", "IT"],
    ["99420.5", "49710", "12", "97", "", "0", "energy"],
    ["1e3", "20", "90", "100", "424", "false", "farming"],
];

/// What is said of the features where a row has too few or too many values.
const IN_ORDER: &str =
    "; the model's features in order: Revenue, Employees, #job30, #job90, MonthlyCharge, trial, Industry";

fn csv() -> String {
    ROWS.map(|row| row.join(",")).join("\n")
}

/// What the model itself says of the rows.
fn scores() -> [f64; 3] {
    [
        [24670.0, 6168.0, 7.0, 41.0, 975.0, 1.0, 0.0],
        [99420.5, 49710.0, 12.0, 97.0, f32::NAN, 0.0, 1.0],
        [1e3, 20.0, 90.0, 100.0, 424.0, 0.0, f32::NAN],
    ]
    .map(|row| MODEL.score(&row))
}

fn ask(content_type: &str, body: &str) -> Result<Answer, Problem> {
    ask_with(&settings(), content_type, "*/*", body)
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("is JSON")
}

fn predictions(answer: &Answer) -> Vec<(f64, bool)> {
    let list = json_of(answer)["predictions"].as_array().expect("is a list").clone();
    list.iter().map(|it| (it["score"].as_f64().expect("is a number"), it["predicted_label"] == 1)).collect()
}

/// What the client reads.
fn told(content_type: &str, body: &str) -> String {
    chain(&ask(content_type, body).expect_err("is refused"))
}

fn refused(content_type: &str, body: &str) -> (&'static str, String) {
    let problem = ask(content_type, body).expect_err("is refused");
    (problem.kind(), problem.to_string())
}

#[test]
fn every_format_gets_the_scores_of_the_model() {
    let expected: Vec<(f64, bool)> = scores().iter().map(|&score| (score, score >= 0.5)).collect();
    let value = |text: &str| match text {
        "" => Value::Null,
        "yes" => json!(true),
        text => text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
    };
    let names: Vec<&str> = MODEL.schema().features().iter().map(|feature| feature.name()).collect();
    let lists: Vec<Vec<Value>> = ROWS.map(|row| row.iter().map(|text| value(text)).collect()).to_vec();
    let named: Vec<Value> = lists
        .iter()
        .map(|row| names.iter().map(|&name| name.to_owned()).zip(row.iter().cloned()).collect::<Map<_, _>>().into())
        .collect();
    let by_column: Value = (0..7)
        .map(|i| (names[i].to_owned(), lists.iter().map(|row| row[i].clone()).collect()))
        .collect::<Map<_, Value>>()
        .into();
    let reversed: Vec<&str> = names.iter().rev().copied().collect();
    let reversed_rows: Vec<Vec<Value>> = lists.iter().map(|row| row.iter().rev().cloned().collect()).collect();
    let records: Vec<Value> = lists.iter().map(|row| json!({ "features": row })).collect();
    let nested: Vec<Value> = lists.iter().map(|row| json!({ "data": { "features": { "values": row } } })).collect();
    let header = format!("id,{}\n{}", names.join(","), ROWS.map(|row| format!("x,{}", row.join(","))).join("\r\n"));
    let labelled = ROWS.map(|row| format!("1,{}", row.join(", "))).join("\n");
    let json = [
        json!({ "instances": lists }),
        json!({ "instances": named }),
        json!({ "instances": records }),
        json!({ "instances": nested }),
        json!({ "dataframe_records": named }),
        json!({ "dataframe_split": { "columns": reversed, "data": reversed_rows } }),
        json!({ "inputs": lists }),
        json!({ "inputs": by_column }),
        json!(lists),
    ];
    let lines: Vec<String> =
        records.iter().chain(&lists.iter().map(|row| json!(row)).collect::<Vec<_>>()).map(Value::to_string).collect();
    let bodies = [
        ("text/csv", csv()),
        ("text/csv; charset=utf-8", format!("\u{feff}{}\n\n", csv())),
        ("text/csv; header=present", header),
        ("text/csv; label_size=1", labelled),
        ("application/jsonlines", lines[..3].join("\n\n")),
        ("application/x-ndjson", lines[3..].join("\n")),
    ];
    let bodies = bodies.into_iter().chain(json.iter().map(|body| ("application/json", body.to_string())));
    for (content_type, body) in bodies {
        let answer = ask(content_type, &body).unwrap_or_else(|problem| panic!("{content_type} {body}: {problem}"));
        assert_eq!(predictions(&answer), expected, "{content_type} {body}");
    }
}

#[test]
fn records_are_read_and_answered() {
    let mut body = Vec::new();
    let row = [24670.0, 6168.0, 7.0, 41.0, 975.0, 1.0];
    // A category has no number in the formats of records: what is not a level is missing.
    churn_features::write_row(&mut body, Some(1.0), &[&row[..], &[7.0]].concat());
    let expected = MODEL.score(&[&row[..], &[f32::NAN]].concat());
    let invocation = |accept| Invocation {
        content_type: Some("application/x-recordio-protobuf"),
        accept,
        custom_attributes: None,
        body: &body,
    };
    let answer = invocation(None).answer(&SERVED, &settings()).unwrap();
    assert_eq!(predictions(&answer)[0].0, expected);
    let answer = invocation(Some("application/x-recordio-protobuf")).answer(&SERVED, &settings()).unwrap();
    let mut again = Vec::new();
    churn_features::write_answer(&mut again, expected as f32, f32::from(u8::from(expected >= 0.5)));
    assert_eq!(answer.body, again);
    let lines = ask("text/libsvm", "0 1:24670 2:6168 3:7 4:41 5:975 6:1 7:7").unwrap();
    assert_eq!(predictions(&lines)[0].0, expected);
    assert_eq!(refused("text/libsvm", "0 0:1").0, "Row");
}

#[test]
fn levels_that_are_numbers_and_dropped_columns_mean_the_same_in_every_format() {
    let expected = NAMELESS.model().score(&[5.0, 20.0, 24.0, 41.0, 9.0, 1.0, 2.0]);
    let other = NAMELESS.model().score(&[5.0, 20.0, 24.0, 41.0, 9.0, 1.0, f32::NAN]);
    assert_ne!(expected, other, "the category has to matter");
    let mut record = Vec::new();
    churn_features::write_row(&mut record, None, &[5.0, 20.0, 24.0, 41.0, 9.0, 1.0, 12.0]);
    let ask = |content_type, body: &[u8]| {
        let invocation = Invocation { content_type: Some(content_type), accept: None, custom_attributes: None, body };
        invocation.answer(&NAMELESS, &settings()).map(|answer| predictions(&answer)[0].0)
    };
    let bodies: [(&str, &[u8]); 10] = [
        ("text/csv", b"5,20,24,41,9,1,12"),
        ("text/csv", b"5.0,20.0,24.0,41.0,9.0,1.0,12.0"), // as a NumPy row is sent
        ("application/json", b"[[5, 20, 24, 41, 9, 1, 12]]"),
        ("application/json", b"[[5, 20, 24, 41, 9, 1, 12.0]]"),
        ("application/json", br#"[5, 20, 24, 41, 9, true, "12"]"#),
        (
            "application/json",
            br#"{"column_1":5,"column_3":20,"column_4":24,"column_5":41,"column_6":9,"column_7":1,"f7":12}"#,
        ),
        (
            "application/json",
            br#"{"data":{"features":{"keys":[0,2,3,4,5,6,7],"shape":[8],"values":[5,20,24,41,9,1,12]}}}"#,
        ),
        ("application/x-recordio-protobuf", &record),
        ("text/libsvm", b"0 1:5 2:99 3:20 4:24 5:41 6:9 7:1 8:12"),
        ("text/libsvm", b"1:5 3:20 4:24 5:41 6:9 7:1 8:12"),
    ];
    for (content_type, body) in bodies {
        assert_eq!(ask(content_type, body).unwrap(), expected, "{content_type} {}", String::from_utf8_lossy(body));
    }
    // What a sparse row does not name is 0, which is a level here, and not the first one elsewhere.
    let nothing = NAMELESS.model().score(&[5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let sparse = br#"{"data":{"features":{"keys":[0],"shape":[8],"values":[5]}}}"#;
    assert_eq!((ask("text/libsvm", b"1:5").unwrap(), ask("application/json", sparse).unwrap()), (nothing, nothing));
    assert_eq!(ask("text/libsvm", b"9:1").unwrap_err().kind(), "Row");
    assert_eq!(ask("text/libsvm", b"1:1 1:2").unwrap_err().kind(), "Row");
}

#[test]
fn a_feature_that_is_named_twice_is_refused() {
    let bodies = [
        (
            "text/csv; header=present",
            "Revenue,Revenue,Employees,#job30,#job90,MonthlyCharge,trial,Industry\n1,2,3,4,5,6,no,IT",
        ),
        (
            "application/json",
            r##"{"dataframe_split":{"columns":["Revenue","Revenue","Employees","#job30","#job90","MonthlyCharge","trial","Industry"],"data":[[1,2,3,4,5,6,0,"IT"]]}}"##,
        ),
    ];
    for (content_type, body) in bodies {
        assert!(refused(content_type, body).1.contains("\"Revenue\" twice"), "{}", refused(content_type, body).1);
    }
    let row =
        r##""Revenue":1,"Revenue":2,"Employees":3,"#job30":4,"#job90":5,"MonthlyCharge":6,"trial":0,"Industry":"IT""##;
    let bodies = [
        ("application/json", format!("{{\"instances\":[{{{row}}}]}}")),
        ("application/json", format!("{{\"dataframe_records\":[{{{row}}}]}}")),
        ("application/json", format!("[{{\"features\":{{{row}}}}}]")),
        ("application/json", format!("{{{row}}}")),
        ("application/json", format!("{{\"companyID\":1,{row}}}")),
        ("application/json", format!("[{{\"companyID\":1,{row}}}]")),
        ("application/jsonlines", format!("{{{row}}}")),
    ];
    for (content_type, body) in bodies {
        let problem = ask(content_type, &body).expect_err("is refused");
        assert!(chain(&problem).contains("names \"Revenue\" twice"), "{body}: {}", chain(&problem));
        let once = body.replace("\"Revenue\":2,", "");
        assert!(ask(content_type, &once).is_ok(), "{once}");
    }
    let twice = r#"{"instances":[{"column_1":1,"f0":2,"column_3":1,"column_4":1,"column_5":1,"column_6":1,"column_7":1,"column_8":1}]}"#;
    let (content_type, body) = (Some("application/json"), twice.as_bytes());
    let invocation = Invocation { content_type, accept: None, custom_attributes: None, body };
    assert_eq!(invocation.answer(&NAMELESS, &settings()).unwrap_err().kind(), "Row");
}

#[test]
fn a_row_and_what_is_no_list_of_rows_are_held_up_to_a_megabyte() {
    let long = format!("[{}]", vec!["1"; 600_000].join(","));
    assert!(refused("application/json", &format!("{{\"instances\":[{long}]}}")).1.contains("1 MB"));
    assert!(refused("application/json", &format!("{{\"inputs\":{{\"Revenue\":{long}}}}}")).1.contains("1 MB"));
    assert!(refused("application/jsonlines", &long).1.contains("1 MB"));
    assert_eq!(
        refused("application/json", &long).1,
        format!("row 1: 600000 columns where the model takes 7{IN_ORDER}")
    );
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(refused("application/json", &deep).0, "Json");
    let company = format!("{{\"companyID\":1,\"x\":{long}}}");
    assert!(refused("application/json", &company).1.contains("1 MB"));
    let list = format!("[{{\"companyID\":1,\"revenue\":1}},{company}]");
    assert_eq!(told("application/json", &list), "company 2 of 2: has more than 1 MB");
}

#[test]
fn a_record_of_csv_is_held_up_to_a_megabyte_wherever_it_stands() {
    let rows = csv();
    for long in [",".repeat((1 << 20) + 1), "\"\n\",".repeat(1 << 19), format!("\"{}\"", "\n".repeat(2 << 20))] {
        assert!(told("text/csv", &format!("{rows}\n\r\n\n{long}\n{rows}")).contains("more than 1 MB"));
        assert!(told("text/csv; header=present", &long).contains("more than 1 MB"));
    }
    // Rows do not add up, and neither do blank lines between them.
    let many = format!("{rows}\n{}{rows}\n", "\r\n".repeat(1 << 20)).repeat(2) + &format!("{rows}\n").repeat(20_000);
    assert_eq!(predictions(&ask("text/csv", &many).expect("is read")).len(), 60_012);
}

#[test]
fn reasons_are_given_for_so_many_rows() {
    let rows = |n: usize| vec![ROWS[0].join(","); n].join("\n");
    let ask = |n: usize| ask_with(&settings(), "text/csv", "application/json;reasons=1", &rows(n));
    assert_eq!(json_of(&ask(5_000).expect("is answered"))["predictions"].as_array().map(Vec::len), Some(5_000));
    assert_eq!(ask(5_001).expect_err("is refused").kind(), "TooManyReasons");
}

#[test]
fn a_company_s_unknown_fields_are_named_up_to_a_hundred() {
    let fields: String = (0..300).map(|n| format!(",\"field {n}\":1")).collect();
    let answer =
        json_of(&ask("application/json", &format!("{{\"companyID\":1,\"revenue\":1{fields}}}")).expect("is answered"));
    assert_eq!(answer["unknown"].as_array().map(Vec::len), Some(100), "{answer}");
}

#[test]
fn json_of_another_form_is_not_called_no_json() {
    let bodies = [
        ("42", "integer `42`, expected an object, or a list of rows"),
        (r#"{"instances":5}"#, "integer `5`, expected a list of rows"),
        (r#"{"instances":null}"#, "null, expected a list of rows"),
        (r#"{"dataframe_split":[[1]]}"#, "sequence, expected an object with columns and data"),
        (r#"{"dataframe_split":{"columns":[0,1],"data":[[1,2]]}}"#, "integer `0`, expected a string"),
    ];
    for (body, says) in bodies {
        assert_eq!(refused("application/json", body).0, "Form");
        let message = told("application/json", body);
        let start = "the body is JSON of another form than is read: invalid type: ";
        assert!(message.starts_with(start) && message.contains(says), "{message}");
    }
    // As the client that sends CSV under the wrong name sees it.
    assert_eq!(told("application/json", &csv()), "the body is not JSON: trailing characters at line 1 column 6");
    assert!(told("application/json", r#"{"instances":5"#).starts_with("the body is not JSON: EOF"));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let json = |body: &str| told("application/json", body);
    assert_eq!(json("[]"), "the list: expected at least one row");
    assert_eq!(json(r#"{"dataframe_split":{}}"#), "dataframe_split: expected at least one row");
    assert_eq!(json(r#"{"instances":[]}"#), "instances: expected at least one row");
    assert_eq!(json("[1e999,2,3,4,5,6,7]"), "row 1: is not JSON: number out of range");
    assert_eq!(json("[[1,2,3,4,5,0,7],5]"), "row 2: expected a list of values, or an object");
    let frame = |inside: &str| json(&format!(r#"{{"dataframe_split":{{{inside}}}}}"#));
    let (columns, data) = (r#""columns":["a"]"#, r#""data":[[1,2,3,4,5,0,7]]"#);
    assert!(frame(&format!("{data},{columns}")).contains("columns once, and before data"));
    assert!(frame(&format!("{data},{data}")).contains("data once"));
    let rows = "{\"features\":[1,2,3,4,5,0,7]}\n\n{\"features\":[1,2,3,4,5,0,x]}";
    assert_eq!(told("application/jsonlines", rows), "row 2: is not JSON: expected value");
    assert_eq!(told("text/libsvm", "0 1:1\n\n0 x"), "row 2: line 3: found \"x\", expected index:value");
}

#[test]
fn a_list_that_begins_with_a_company_holds_nothing_else() {
    let company = r#"{"companyID":1,"revenue":5}"#;
    for bad_rows in [BadRows::Refuse, BadRows::Placeholder] {
        let settings = AnswerSettings { bad_rows, ..settings() };
        let told = |rest: &str| {
            let problem = ask_with(&settings, "application/json", "*/*", &format!("[{company},{rest}]")).unwrap_err();
            assert_eq!(problem.kind(), "Company");
            (problem.status(), chain(&problem))
        };
        let (status, message) = told("5");
        assert!(status == 400 && message.starts_with("company 2 of 2: the body is a single value"), "{message}");
        assert_eq!(told(r#"{"revenue":"x"}"#).1.split(" is ").next(), Some("company 2 of 2: revenue:"));
        let (status, message) = told(&vec![company; 1000].join(","));
        assert!(status == 413 && message.contains("more than 1000 companies"), "{message}");
    }
    let thousand = ask("application/json", &format!("[{}]", vec![company; 1000].join(","))).unwrap();
    assert_eq!(json_of(&thousand).as_array().map(Vec::len), Some(1000));
}

#[test]
fn sparse_rows_beyond_what_is_held_are_refused() {
    let rows = "0\n".repeat((1 << 20) + 1);
    for bad_rows in [BadRows::Refuse, BadRows::Placeholder] {
        let settings = AnswerSettings { bad_rows, ..settings() };
        let problem = ask_with(&settings, "text/libsvm", "*/*", &rows).unwrap_err();
        let message = problem.to_string();
        assert!(problem.status() == 413 && message.contains("more than 1048576 rows"), "{message}");
    }
}

#[test]
fn errors_name_the_row_and_the_column() {
    let bad = format!("{}\n24670,6168,7,forty,975,no,IT", ROWS[0].join(","));
    assert_eq!(
        refused("text/csv", &bad),
        ("Row", "row 2: column 4 (\"#job90\"): found \"forty\", expected a finite number or a blank".to_owned())
    );
    assert_eq!(refused("text/csv", "1,2").1, format!("row 1: 2 columns where the model takes 7{IN_ORDER}"));
    assert!(refused("text/csv", "1").1.starts_with("row 1: 1 column where"));
    assert!(
        refused("text/csv", "0,1,2,3,4,5,no,IT").1.contains("8 columns where the model takes 7; is the label still")
    );
    assert!(
        refused("text/csv", "Revenue,Employees,a,b,c,d,e\n1,2,3,4,5,no,IT").1.starts_with("row 1 looks like a header")
    );
    assert_eq!(
        refused("text/csv; header=present", "Revenue,Employees\n1,2").1,
        "the header lacks #job30, #job90, MonthlyCharge, trial, Industry; a value that is not known is left blank, or null"
    );
    assert_eq!(refused("application/json", r#"{"instances":["#).0, "Json");
    assert!(refused("application/json", r#"{"foo":1}"#).1.contains("instances"));
    assert!(
        refused("application/json", r#"{"instances":[{"Revenue":1}]}"#).1.starts_with("row 1: the row lacks Employees")
    );
    assert_eq!(
        refused("application/json", r#"{"instances":[[1,2,3,4,5,0,"IT"]],"inputs":[[1]]}"#).1,
        "instances and inputs: expected one of the two"
    );
    assert_eq!(refused("text/plain", &csv()).0, "UnsupportedContentType");
    assert!(refused("application/x-www-form-urlencoded", &csv()).1.ends_with("curl -H 'Content-Type: text/csv'"));
    let names: Vec<&str> = MODEL.schema().features().iter().map(|feature| feature.name()).collect();
    let (kind, message) = refused("text/csv; header=present", &names.join(","));
    assert!(kind == "EmptyBody" && message.contains("no rows behind it"), "{message}");
    assert_eq!(ask_with(&settings(), "text/csv", "text/libsvm", &csv()).unwrap_err().kind(), "NotAcceptable");
    for body in ["", " \n"] {
        assert_eq!(refused("text/csv", body).0, "EmptyBody");
        assert_eq!(refused("application/json", body).0, "EmptyBody");
    }
}

#[test]
fn an_object_of_exactly_the_model_s_names_is_a_row_and_another_a_company() {
    let row =
        r##"{"Revenue":24670,"Employees":6168,"#job30":7,"#job90":41,"MonthlyCharge":975,"trial":1,"Industry":"IT"}"##;
    let predicted = ask("application/json", row).unwrap();
    assert_eq!(predictions(&predicted)[0].0, scores()[0]);
    for company in [
        row.replacen('{', r#"{"companyID":1,"#, 1),
        row.replacen('{', r#"{"foo":1,"#, 1),
        row.replacen(r#""trial":1,"#, "", 1),
    ] {
        let answer = json_of(&ask("application/json", &company).unwrap());
        assert!(answer["probability"].is_number(), "{company}: {answer}");
    }
    let list = r#"[{"industry":"IT","revenue":3}]"#;
    assert!(refused("application/json", list).1.ends_with("; companies in a list are known by their companyID"));
}

#[test]
fn a_sparse_record_is_zero_where_it_says_nothing() {
    let body = r#"{"data": {"features": {"keys": [0, 6], "shape": [7], "values": [24670, "IT"]}}}"#;
    let expected = MODEL.score(&[24670.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(predictions(&ask("application/jsonlines", body).unwrap())[0].0, expected);
    assert_eq!(refused("application/jsonlines", &body.replace("[7]", "[8]")).0, "Row");
    assert_eq!(refused("application/jsonlines", &body.replace("6]", "7]")).0, "Row");
}

#[test]
fn the_shape_of_a_record_says_the_same_in_json_and_in_record_io() {
    let json = |shape: &str| {
        let body = format!(r#"{{"data":{{"features":{{"keys":[0],"values":[5],"shape":{shape}}}}}}}"#);
        ask("application/jsonlines", &body).map(|answer| predictions(&answer)[0].0).map_err(|it| it.to_string())
    };
    let record_io = |sides: &[u8]| {
        let mut tensor = [&b"\x0a\x04"[..], &5_f32.to_le_bytes(), b"\x12\x01\0"].concat();
        tensor.extend([&[0x1a, sides.len() as u8], sides].concat());
        let field = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8], bytes].concat();
        let entry = [&b"\x0a\x06values"[..], &field(0x12, &field(0x12, &tensor))].concat();
        let record = field(0x0a, &entry);
        let mut body = [&0xced7_230a_u32.to_le_bytes()[..], &(record.len() as u32).to_le_bytes(), &record].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let content_type = Some("application/x-recordio-protobuf");
        let answer = Invocation { content_type, body: &body, ..Invocation::default() }.answer(&SERVED, &settings());
        answer.map(|answer| predictions(&answer)[0].0).map_err(|it| it.to_string())
    };
    let score = MODEL.score(&[5.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN]);
    assert_eq!(["7", "[7]", "[1,7]", "[]"].map(json), [Ok(score), Ok(score), Ok(score), Ok(score)]);
    assert_eq!([record_io(&[7]), record_io(&[1, 7]), record_io(&[])], [Ok(score), Ok(score), Ok(score)]);
    let wrong = format!("row 1: 14 columns where the model takes 7{IN_ORDER}");
    assert_eq!([json("14"), json("[2,7]")], [Err(wrong.clone()), Err(wrong.clone())]);
    assert_eq!([record_io(&[14]), record_io(&[2, 7])], [Err(wrong.clone()), Err(wrong)]);
    assert!(json("\"7\"").unwrap_err().contains("a shape of whole numbers"));
    let dense = r#"{"data":{"features":{"values":[1,2,3,4,5,0,7],"shape":[8]}}}"#;
    assert!(told("application/jsonlines", dense).contains("as many values as the shape says"));
}

#[test]
fn lines_end_with_a_newline_unless_others_join_them() {
    for (open_end, end) in [(false, "\n"), (true, "")] {
        let settings = AnswerSettings { open_end, ..settings() };
        let answer = ask_with(&settings, "text/csv", "text/csv", &csv()).unwrap();
        assert_eq!(String::from_utf8(answer.body).unwrap(), scores().map(|score| score.to_string()).join("\n") + end);
    }
}

#[test]
fn values_can_be_selected_by_the_names_of_the_xgboost_container() {
    let keys = "predicted_label, probabilities,raw_score,foo".split(',').map(OutputKey::of_name).collect();
    let settings = AnswerSettings { keys: Some(keys), ..settings() };
    let answer = ask_with(&settings, "text/csv", "text/csv", &ROWS[0].join(",")).unwrap();
    let score = scores()[0];
    let label = u8::from(score >= 0.5);
    assert_eq!(String::from_utf8(answer.body).unwrap(), format!("{label},\"[{}, {score}]\",{score},\n", 1.0 - score));
    let answer = ask_with(&settings, "text/csv", "application/json", &ROWS[0].join(",")).unwrap();
    let expected =
        json!({ "predicted_label": label, "probabilities": [1.0 - score, score], "raw_score": score, "foo": null });
    assert_eq!(json_of(&answer), json!({ "predictions": [expected] }));
}

#[test]
fn reasons_come_by_accept_by_attribute_and_by_selection_and_are_those_of_the_explainer() {
    let body = ROWS[0].join(",");
    let row = [24670.0, 6168.0, 7.0, 41.0, 975.0, 1.0, 0.0];
    let expected = MODEL.explainer().reasons(&row, 2);
    let by_accept = ask_with(&settings(), "text/csv", "application/json; reasons=2", &body).unwrap();
    let (content_type, custom_attributes) = (Some("text/csv"), Some("trace=1,reasons=2"));
    let invocation = Invocation { content_type, accept: None, custom_attributes, body: body.as_bytes() };
    let by_attribute = invocation.answer(&SERVED, &settings()).unwrap();
    for answer in [by_accept, by_attribute] {
        let reasons = json_of(&answer)["predictions"][0]["reasons"].clone();
        let said: Vec<(&str, f64)> = reasons
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                (it["feature_header"].as_str().unwrap(), it["attributions"][0]["attribution"][0].as_f64().unwrap())
            })
            .collect();
        assert_eq!(said, expected.iter().map(|it| (it.feature.as_str(), it.contribution)).collect::<Vec<_>>());
        assert_eq!(reasons[0]["reason"], expected[0].to_string());
    }
    let selected = AnswerSettings { keys: Some(vec![OutputKey::Reasons]), ..settings() };
    let answer = ask_with(&selected, "text/csv", "*/*", &body).unwrap();
    assert_eq!(json_of(&answer)["predictions"][0]["reasons"].as_array().unwrap().len(), 3);
    assert_eq!(
        ask_with(&settings(), "text/csv", "application/json; reasons=many", &body).unwrap_err().kind(),
        "Reasons"
    );
}

#[test]
fn a_company_is_answered_as_the_original_system_did_and_says_why() {
    let body = json!({ "companyID": "comp_4", "revenu": 24670, "industry": "it", "employees": 6168, "job30": 7, "job90": 41,
        "monthlyFee": 975, "totalFee": 1200, "riskOfChurn": false, "trial": true });
    let answer = ask("application/json", &body.to_string()).unwrap();
    let said = json_of(&answer);
    assert_eq!((said["churn"].as_bool(), said["probability"].as_f64()), (Some(scores()[0] >= 0.5), Some(scores()[0])));
    assert!(answer.body.starts_with(b"{\"churn\":") && said["reasons"].as_array().unwrap().len() == 3);
    let list = ask("application/json", &json!([body, body]).to_string()).unwrap();
    assert_eq!(json_of(&list).as_array().map(Vec::len), Some(2));
    assert_eq!(refused("application/json", r#"{"companyID":"c","revenue":"much"}"#).0, "Company");
}

/// Valid bodies of every form, and their content types.
static VALID: LazyLock<Vec<(&'static str, Vec<u8>)>> = LazyLock::new(|| {
    let names: Vec<&str> = MODEL.schema().features().iter().map(|feature| feature.name()).collect();
    let row = json!([1, 2, 3, 4, 5, true, "IT"]);
    let named = |value: &dyn Fn(usize) -> Value| -> Value {
        names.iter().enumerate().map(|(i, &name)| (name.to_owned(), value(i))).collect::<Map<_, _>>().into()
    };
    let by_name = named(&|i| row[i].clone());
    let columns = named(&|i| json!([row[i], null]));
    let sparse = json!({ "data": { "features": { "keys": [0], "values": [1], "shape": [7] } } });
    let company = json!({ "companyID": "c", "revenu": 3, "industry": "retail", "employee": 4 });
    let json = [
        json!({ "instances": [row, sparse] }),
        json!({ "dataframe_records": [by_name] }),
        json!({ "dataframe_split": { "columns": names, "index": [0, 1], "data": [row, row] } }),
        json!({ "inputs": columns }),
        json!([row, row]),
        row.clone(),
        by_name,
        company.clone(),
        json!([company, company]),
    ];
    let mut records = Vec::new();
    churn_features::write_row(&mut records, Some(1.0), &[1.0; 7]);
    let mut bodies: Vec<(&str, Vec<u8>)> =
        json.iter().map(|body| ("application/json", body.to_string().into_bytes())).collect();
    bodies.extend([
        ("text/csv", csv().into_bytes()),
        ("text/csv; header=present", format!("{}\n{}", names.join(","), csv()).into_bytes()),
        ("application/jsonlines", b"[1,2,3,4,5,0,\"IT\"]\n{\"features\":[1,2,3,4,5,null,\"x\"]}".to_vec()),
        ("application/x-recordio-protobuf", records),
        ("text/libsvm", b"0 1:24670 2:6168\n1 7:1".to_vec()),
    ]);
    bodies
});

/// Asks for an answer, which has as many predictions as scores were given, and refuses as the client's fault.
fn ask_anything(content_type: &str, accept: &str, body: &[u8]) -> Result<(), Problem> {
    let (content_type, accept) = (Some(content_type), Some(accept));
    let answer = match (Invocation { content_type, accept, custom_attributes: None, body }).answer(&SERVED, &settings())
    {
        Ok(answer) => answer,
        Err(problem) => {
            assert!((400..500).contains(&problem.status()), "{problem}");
            return Err(problem);
        }
    };
    let n_predictions = match &json_of(&answer) {
        Value::Array(companies) => companies.len(),
        Value::Object(said) => said.get("predictions").map_or(1, |list| list.as_array().expect("is a list").len()),
        other => panic!("{other} is no answer"),
    };
    assert!(n_predictions > 0 && n_predictions == answer.scores.len());
    Ok(())
}

#[test]
fn the_bodies_to_be_damaged_are_valid_before() {
    for (content_type, body) in VALID.iter() {
        let asked = ask_anything(content_type, "application/json; reasons=1", body);
        assert!(asked.is_ok(), "{content_type} {}: {asked:?}", String::from_utf8_lossy(body));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_bodies_are_scored_or_refused_and_never_a_mistake_of_ours(
        valid in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
        reasons in 0..3_usize,
    ) {
        let (content_type, mut body) = valid.get(&VALID).clone();
        for (at, byte, kind) in changes {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => { body.remove(at); }
                2 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        // Whichever it is; what may be is asserted there.
        let _ = ask_anything(content_type, &format!("application/json; reasons={reasons}"), &body);
    }
}
