//! Rows that cannot be read, where each is answered in its place and the others are scored.

mod asking;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod served;

use asking::{SERVED, ask_with};
use churn_serve::{AnswerSettings, BadRows};

const ROWS: [[&str; 7]; 2] =
    [["24670", "6168", "7", "41", "975", "yes", "IT"], ["99420.5", "49710", "12", "97", "", "0", "energy"]];

fn settings() -> AnswerSettings {
    AnswerSettings { bad_rows: BadRows::Placeholder, ..asking::settings() }
}

#[test]
fn a_bad_row_can_be_answered_in_its_place() {
    let settings = settings();
    let scores = [[24670.0, 6168.0, 7.0, 41.0, 975.0, 1.0, 0.0], [99420.5, 49710.0, 12.0, 97.0, f32::NAN, 0.0, 1.0]]
        .map(|row| SERVED.model().score(&row));
    let body = format!("{}\nnot,a,row\n{}", ROWS[0].join(","), ROWS[1].join(","));
    let text = |accept| String::from_utf8(ask_with(&settings, "text/csv", accept, &body).unwrap().body).unwrap();
    assert_eq!(text("text/csv"), format!("{}\nERROR\n{}\n", scores[0], scores[1]));
    assert!(text("application/jsonlines").lines().nth(1).unwrap().starts_with(r#"{"error":"3 columns where"#));
    assert_eq!(
        ask_with(&settings, "text/csv", "application/x-recordio-protobuf", &body).unwrap_err().kind(),
        "NoPlaceholder"
    );
}

#[test]
fn a_blank_line_is_a_bad_row_where_answers_are_joined_to_records() {
    let placeholder = settings();
    let answer = |content_type: &str, body: &str| {
        let answer = ask_with(&placeholder, content_type, "text/csv", body).unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        text.lines().map(|line| if line == "ERROR" { '-' } else { '+' }).collect::<String>()
    };
    let [first, second] = ROWS.map(|row| row.join(","));
    let quoted = first.replace("IT", "\"I\n\nT\"");
    let names: Vec<&str> = SERVED.model().schema().features().iter().map(|feature| feature.name()).collect();
    for end in ["\n", "\r\n"] {
        let csv = |lines: &[&str]| answer("text/csv", &lines.join(end));
        assert_eq!(csv(&[&first, "", &second, "", "", &first]), "+-+--+");
        assert_eq!(csv(&["", &quoted, &second, "", ""]), "-++-"); // a final newline begins no record
        assert_eq!(csv(&[&first, " ", &second, ""]), "+-+");
        assert_eq!(answer("text/csv; header=present", &[&names.join(","), &first, "", &second].join(end)), "+-+");
        let row = r#"[1,2,3,4,5,0,"IT"]"#;
        assert_eq!(answer("application/jsonlines", &[row, "", row, ""].join(end)), "+-+");
        assert_eq!(answer("text/libsvm", &["0 1:1", "", "0 1:1", " ", ""].join(end)), "+-+-");
        for content_type in ["text/csv", "application/jsonlines", "text/libsvm"] {
            assert_eq!(answer(content_type, end), "-", "{content_type}");
            assert_eq!(ask_with(&placeholder, content_type, "*/*", "").unwrap_err().kind(), "EmptyBody");
            let refusing = asking::settings();
            assert_eq!(ask_with(&refusing, content_type, "*/*", end).unwrap_err().kind(), "EmptyBody");
        }
    }
}
