//! What a request gets: the same scores from every format, and a reason where there are none.

mod served;

use std::sync::LazyLock;

use churn_model::Model;
use churn_serve::{Answer, AnswerFormat, AnswerSettings, BadRows, Invocation, OutputKey, Problem, ServedModel};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static MODEL: LazyLock<Model> = LazyLock::new(served::model);
static NAMELESS: LazyLock<ServedModel> = LazyLock::new(|| ServedModel::new(served::nameless_model()));
static SERVED: LazyLock<ServedModel> = LazyLock::new(|| ServedModel::new(MODEL.clone()));

const ROWS: [[&str; 7]; 3] = [
    ["24670", "6168", "7", "41", "975", "yes", "IT"],
    ["99420.5", "49710", "12", "97", "", "0", "energy"],
    ["1e3", "20", "90", "100", "424", "false", "farming"],
];

fn settings() -> AnswerSettings {
    AnswerSettings {
        default_format: AnswerFormat::Json,
        keys: None,
        csv_header: false,
        open_end: false,
        bad_rows: BadRows::Refuse,
    }
}

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

fn ask_with(settings: &AnswerSettings, content_type: &str, accept: &str, body: &str) -> Result<Answer, Problem> {
    let (content_type, accept) = (Some(content_type), Some(accept));
    Invocation { content_type, accept, custom_attributes: None, body: body.as_bytes() }.answer(&SERVED, settings)
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

fn refused(content_type: &str, body: &str) -> (u16, String) {
    let problem = ask(content_type, body).expect_err("is refused");
    (problem.status(), problem.to_string())
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
    assert_eq!(refused("text/libsvm", "0 0:1").0, 400);
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
    assert_eq!(ask("text/libsvm", b"9:1").unwrap_err().status(), 400);
    assert_eq!(ask("text/libsvm", b"1:1 1:2").unwrap_err().status(), 400);
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
    let twice = r#"{"instances":[{"column_1":1,"f0":2,"column_3":1,"column_4":1,"column_5":1,"column_6":1,"column_7":1,"column_8":1}]}"#;
    let (content_type, body) = (Some("application/json"), twice.as_bytes());
    let invocation = Invocation { content_type, accept: None, custom_attributes: None, body };
    assert_eq!(invocation.answer(&NAMELESS, &settings()).unwrap_err().status(), 400);
}

#[test]
fn a_row_and_what_is_no_list_of_rows_are_held_up_to_a_megabyte() {
    let long = format!("[{}]", vec!["1"; 600_000].join(","));
    assert!(refused("application/json", &format!("{{\"instances\":[{long}]}}")).1.contains("1 MB"));
    assert!(refused("application/json", &format!("{{\"inputs\":{{\"Revenue\":{long}}}}}")).1.contains("1 MB"));
    assert!(refused("application/jsonlines", &long).1.contains("1 MB"));
    assert_eq!(refused("application/json", &long).1, "row 1: 600000 columns where the model takes 7");
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(refused("application/json", &deep).0, 400);
}

#[test]
fn errors_name_the_row_and_the_column() {
    let bad = format!("{}\n24670,6168,7,forty,975,no,IT", ROWS[0].join(","));
    assert_eq!(
        refused("text/csv", &bad),
        (400, "row 2: column 4 (\"#job90\"): found \"forty\", expected a finite number or a blank".to_owned())
    );
    assert_eq!(refused("text/csv", "1,2").1, "row 1: 2 columns where the model takes 7");
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
    assert_eq!(refused("application/json", r#"{"instances":["#).0, 400);
    assert!(refused("application/json", r#"{"foo":1}"#).1.contains("instances"));
    assert!(
        refused("application/json", r#"{"instances":[{"Revenue":1}]}"#).1.starts_with("row 1: the row lacks Employees")
    );
    assert_eq!(
        refused("application/json", r#"{"instances":[[1,2,3,4,5,0,"IT"]],"inputs":[[1]]}"#).1,
        "instances and inputs: expected one of the two"
    );
    assert_eq!(refused("text/plain", &csv()).0, 415);
    assert_eq!(ask_with(&settings(), "text/csv", "text/libsvm", &csv()).unwrap_err().status(), 406);
    for body in ["", " \n"] {
        assert_eq!(refused("text/csv", body).0, 400);
        assert_eq!(refused("application/json", body).0, 400);
    }
}

#[test]
fn a_sparse_record_is_zero_where_it_says_nothing() {
    let body = r#"{"data": {"features": {"keys": [0, 6], "shape": [7], "values": [24670, "IT"]}}}"#;
    let expected = MODEL.score(&[24670.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(predictions(&ask("application/jsonlines", body).unwrap())[0].0, expected);
    assert_eq!(refused("application/jsonlines", &body.replace("[7]", "[8]")).0, 400);
    assert_eq!(refused("application/jsonlines", &body.replace("6]", "7]")).0, 400);
}

#[test]
fn a_bad_row_can_be_answered_in_its_place() {
    let settings = AnswerSettings { bad_rows: BadRows::Placeholder, ..settings() };
    let body = format!("{}\nnot,a,row\n{}", ROWS[0].join(","), ROWS[1].join(","));
    let text = |accept| String::from_utf8(ask_with(&settings, "text/csv", accept, &body).unwrap().body).unwrap();
    assert_eq!(text("text/csv"), format!("{}\nERROR\n{}\n", scores()[0], scores()[1]));
    assert!(text("application/jsonlines").lines().nth(1).unwrap().starts_with(r#"{"error":"3 columns where"#));
    assert_eq!(ask_with(&settings, "text/csv", "application/x-recordio-protobuf", &body).unwrap_err().status(), 400);
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
    assert_eq!(ask_with(&settings(), "text/csv", "application/json; reasons=many", &body).unwrap_err().status(), 400);
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
    assert_eq!(refused("application/json", r#"{"companyID":"c","revenue":"much"}"#).0, 400);
}

/// A valid body and its content type.
fn valid_body() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let json = json!({ "instances": [[1, 2, 3, 4, 5, true, "IT"], { "data": { "features": { "keys": [0], "values": [1] } } }] });
    let split = json!({ "dataframe_split": { "columns": ["Revenue", "trial"], "data": [[1, false]] } });
    let company = json!({ "companyID": "c", "revenu": 3, "industry": "retail", "employee": 4 });
    let mut records = Vec::new();
    churn_features::write_row(&mut records, Some(1.0), &[1.0; 7]);
    prop_oneof![
        Just(("text/csv", csv().into_bytes())),
        Just(("text/csv; header=present", format!("Revenue,Employees\n{}", csv()).into_bytes())),
        Just(("application/json", json.to_string().into_bytes())),
        Just(("application/json", split.to_string().into_bytes())),
        Just(("application/json", company.to_string().into_bytes())),
        Just(("application/jsonlines", b"[1,2,3,4,5,0,\"IT\"]\n{\"features\":[1,2,3,4,5,null,\"x\"]}".to_vec())),
        Just(("application/x-recordio-protobuf", records)),
        Just(("text/libsvm", b"0 1:24670 2:6168\n1 7:1".to_vec())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_bodies_are_scored_or_refused_and_never_a_mistake_of_ours(
        (content_type, mut body) in valid_body(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
        reasons in 0..3_usize,
    ) {
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
        let accept = format!("application/json; reasons={reasons}");
        let invocation =
            Invocation { content_type: Some(content_type), accept: Some(&accept), custom_attributes: None, body: &body };
        match invocation.answer(&SERVED, &settings()) {
            Ok(answer) => prop_assert!(serde_json::from_slice::<Value>(&answer.body).is_ok()),
            Err(problem) => {
                prop_assert!((400..500).contains(&problem.status()), "{problem}");
                prop_assert!(serde_json::from_slice::<Value>(&problem.body()).is_ok());
            }
        }
    }
}
