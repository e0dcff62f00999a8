//! Every bad table is refused with one line that says where the fault is and what to do.

use std::path::Path;

use churn_training_data::{Error, TableOptions, TrainingSet, read_table};

/// What is said about a file of those bytes, with the file called `t.csv`.
fn refusal(bytes: impl AsRef<[u8]>, options: &TableOptions) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.csv");
    std::fs::write(&path, bytes).expect("writes");
    let error = read(&path, options).expect_err("the table is refused");
    let text = error.to_string().replace(&format!("{path:?}"), "t.csv");
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

fn read(path: &Path, options: &TableOptions) -> Result<TrainingSet, Error> {
    TrainingSet::from_table(read_table(path, options)?)
}

fn churn() -> TableOptions {
    TableOptions::new("churn")
}

/// A table of numbers `0, 1, 2, ...` in column `x`, with labels by turns, and `last` as the last value.
fn numbers_and(last: &str, n_numbers: usize) -> String {
    let rows: String = (0..n_numbers).map(|i| format!("{i},{}\n", i % 2)).collect();
    format!("x,churn\n{rows}{last},1\n")
}

#[test]
fn a_file_that_is_not_there_or_not_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let absent = folder.path().join("absent.csv");
    let error = read(&absent, &churn()).expect_err("refused").to_string();
    assert_eq!(error, format!("there is no file {absent:?}"));
    let error = read(folder.path(), &churn()).expect_err("refused").to_string();
    assert_eq!(error, format!("{:?} is a directory; expected a file", folder.path()));
}

#[test]
fn a_file_without_rows() {
    let empty = "t.csv is empty; expected a header and one row per observation";
    assert_eq!(refusal("", &churn()), empty);
    assert_eq!(refusal("\n\r\n  \n", &churn()), empty);
    assert_eq!(refusal("\u{feff}", &churn()), empty);
    assert_eq!(refusal("", &TableOptions::headerless()), empty);
    let header_only = "t.csv has a header and no rows; expected one row per observation";
    assert_eq!(refusal("x,churn\n", &churn()), header_only);
    assert_eq!(refusal("x,churn\r\n\r\n", &churn()), header_only);
}

#[test]
fn gzip_data_that_is_cut_short() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(numbers_and("1", 5000).as_bytes()).expect("compresses");
    let whole = gzip.finish().expect("compresses");
    let message = "t.csv is gzip data that is cut short or damaged; download or compress it again";
    for n_bytes in [2, 9, 20, whole.len() / 2, whole.len() - 1] {
        assert_eq!(refusal(&whole[..n_bytes], &churn()), message, "first {n_bytes} bytes");
    }
    let mut damaged = whole.clone();
    let at = whole.len() - 6;
    damaged[at] ^= 1;
    assert_eq!(refusal(&damaged, &churn()), message);
}

#[test]
fn a_row_of_another_width() {
    let message = "t.csv, line 3: the number of fields is 3, expected 2; quote cells that hold commas";
    assert_eq!(refusal("x,churn\n1,0\n1,5,1\n", &churn()), message);
    let message = "t.csv, line 4: the number of fields is 1, expected 2; quote cells that hold commas";
    assert_eq!(refusal("x,churn\r\n1,0\r\n\r\n1\r\n", &churn()), message);
}

#[test]
fn text_in_another_encoding() {
    let not_utf8 = |line: u64, column: &str, byte: &str| {
        format!("t.csv, line {line}, column {column:?}: byte {byte} is not UTF-8; save the file as UTF-8")
    };
    assert_eq!(refusal(b"town,churn\nOslo,0\nZ\xfcrich,1\n", &churn()), not_utf8(3, "town", "0xfc"));
    assert_eq!(refusal(b"\xff,churn\n1,0\n", &churn()), not_utf8(1, "1", "0xff"));
    // One character of two bytes, torn apart by a comma.
    assert_eq!(refusal(b"x,churn\n\xc3,\xbc\n", &churn()), not_utf8(2, "x", "0xc3"));
    let nul = |line: u64, column: &str| {
        format!("t.csv, line {line}, column {column:?}: found a NUL byte; save the file as UTF-8 text")
    };
    assert_eq!(refusal(b"x,churn\n1,0\0\n", &churn()), nul(2, "churn"));
    // UTF-16, as some spreadsheets save it.
    assert_eq!(refusal(b"\xff\xfex\0,\0y\0\n\0", &churn()), nul(1, "1"));
}

#[test]
fn a_quote_that_never_ends() {
    let message = r#"t.csv, line 3, column "churn": a quoted cell never ends; close its quote"#;
    assert_eq!(refusal("x,churn\n1,0\n2,\"1\n3,0\n4,1\n", &churn()), message);
    assert_eq!(refusal("x,churn\n1,0\n2,\"1", &churn()), message);
    assert_eq!(refusal("x,churn\r\n1,0\r\n2,\"\r\n", &churn()), message);
}

#[test]
fn a_header_that_is_none() {
    let message = "t.csv: the header holds only numbers; if the file has no header, read it with --no-header";
    assert_eq!(refusal("1,0.5,1\n0,2,2\n", &churn()), message);
    assert_eq!(
        refusal("x,churn,y,x\n1,0,1,1\n", &churn()),
        r#"t.csv: columns 1 and 4 are both named "x"; rename one of them"#
    );
    assert_eq!(
        refusal("x, ,churn\n1,0,1\n", &churn()),
        "t.csv: column 2 has no name in the header; name it or delete the column"
    );
    let semicolons = "t.csv: the header is separated by ';'; separate fields by commas";
    assert_eq!(refusal("x;churn\n1;0\n", &churn()), semicolons);
    let returns = "t.csv: lines end in bare carriage returns; save the file with LF or CRLF line ends";
    assert_eq!(refusal("x,churn\r1,0\r2,1\r", &churn()), returns);
}

#[test]
fn an_option_that_names_no_column() {
    let table = "x,Churn\n1,0\n2,1\n";
    assert_eq!(
        refusal(table, &churn()),
        r#"--label "churn": t.csv has no such column (did you mean "Churn"?); its columns are "x", "Churn""#
    );
    let options = TableOptions { drop: vec!["tenure".into()], ..TableOptions::new("Churn") };
    let message = r#"--drop "tenure": t.csv has no such column; its columns are "x", "Churn""#;
    assert_eq!(refusal(table, &options), message);
    for (option, options) in [
        ("--id", TableOptions { id: Some("q".into()), ..TableOptions::new("Churn") }),
        ("--group", TableOptions { group: Some("q".into()), ..TableOptions::new("Churn") }),
        ("--weight", TableOptions { weight: Some("q".into()), ..TableOptions::new("Churn") }),
        ("--category", TableOptions { category: vec!["q".into()], ..TableOptions::new("Churn") }),
    ] {
        assert!(refusal(table, &options).starts_with(&format!("{option} \"q\": t.csv has no such column")));
    }
}

#[test]
fn a_column_with_two_roles() {
    let table = "x,churn\n1,0\n2,1\n";
    let given = |options: TableOptions| refusal(table, &options);
    assert_eq!(
        given(TableOptions { id: Some("churn".into()), ..churn() }),
        r#"column "churn" is given to both --label and --id; give it to one of them"#
    );
    assert_eq!(
        given(TableOptions { weight: Some("x".into()), drop: vec!["x".into()], ..churn() }),
        r#"column "x" is given to both --weight and --drop; give it to one of them"#
    );
    assert_eq!(
        given(TableOptions { group: Some("x".into()), category: vec!["x".into()], ..churn() }),
        r#"column "x" is given to both --group and --category; give it to one of them"#
    );
}

#[test]
fn a_column_without_a_value() {
    assert_eq!(
        refusal("x,y,churn,z\n1,,0,NA\n2,,1,?\n", &churn()),
        r#"t.csv: no row has a value in column "y", "z"; leave it out with --drop"#
    );
}

#[test]
fn a_number_that_no_float_holds() {
    for found in ["inf", "-Infinity", "1e999", "1e39"] {
        let message = format!(
            "t.csv, line 3, column \"x\": {found:?} is infinite or too large; \
             blank the cell or leave the column out with --drop \"x\""
        );
        assert_eq!(refusal(format!("x,churn\n1,0\n{found},1\n"), &churn()), message);
    }
    // Past the dictionary, where only the numbers are kept.
    let message = refusal(numbers_and("inf", 20_000), &churn());
    assert!(message.starts_with("t.csv, line 20002, column \"x\": \"inf\" is infinite"), "{message}");
}

#[test]
fn a_word_among_numbers() {
    let message = |line: usize, n_values: usize| {
        format!(
            "t.csv, line {line}, column \"x\": \"abc\" is not a number, as the others are (1 of {n_values} values are none); \
             blank the cell or treat the column as text with --category \"x\""
        )
    };
    assert_eq!(refusal(numbers_and("abc", 20), &churn()), message(22, 21));
    assert_eq!(refusal(numbers_and("abc", 99), &churn()), message(101, 100));
    assert_eq!(refusal(numbers_and("abc", 20_000), &churn()), message(20_002, 20_001));
}

#[test]
fn nothing_to_learn_from() {
    let message = "t.csv: no column is left as a feature beside label, id, group, weight and dropped columns";
    assert_eq!(refusal("x,churn\n1,0\n2,1\n", &TableOptions { drop: vec!["x".into()], ..churn() }), message);
    assert_eq!(refusal("churn\n0\n1\n", &churn()), message);
}

#[test]
fn a_row_without_its_key_or_with_a_bad_weight() {
    let table = "k,x,churn\na,1,0\n ,2,1\n";
    let blank = |role| format!(r#"t.csv, line 3, column "k": the {role} is blank; every row needs one"#);
    assert_eq!(refusal(table, &TableOptions { id: Some("k".into()), ..churn() }), blank("id"));
    assert_eq!(refusal(table, &TableOptions { group: Some("k".into()), ..churn() }), blank("group"));
    for found in ["-1", "abc", "inf", ""] {
        let text =
            refusal(format!("w,x,churn\n1,1,0\n{found},2,1\n"), &TableOptions { weight: Some("w".into()), ..churn() });
        assert_eq!(text, format!(r#"t.csv, line 3, column "w": found {found:?}; a weight is a number of at least 0"#));
    }
}

#[test]
fn a_label_that_is_none() {
    assert_eq!(
        refusal("x,churn\n1,0\n2,\n3,NA\n4,1\n", &churn()),
        "t.csv, line 3, column \"churn\": the label is blank (2 such rows); \
         train on rows with a label and score the others"
    );
    assert_eq!(
        refusal("x,churn\n1,0\n2,0\n", &churn()),
        r#"t.csv, column "churn": every label is "0"; a model needs churned and stayed rows"#
    );
    assert_eq!(
        refusal("x,churn\n1,0\n2,1\n3,2\n4,0\n", &churn()),
        r#"t.csv, column "churn": a label has 2 values, found 3: "0" (2), "1" (1), "2" (1); keep two of them"#
    );
    assert_eq!(
        refusal("x,churn\n1,A\n2,B\n", &churn()),
        r#"t.csv, column "churn": either "A" or "B" means churn; say which with --positive"#
    );
    assert_eq!(
        refusal("x,churn\n1,A\n2,B\n", &TableOptions { positive: Some("C".into()), ..churn() }),
        r#"t.csv, column "churn": no label is "C"; --positive is either "A" or "B""#
    );
}
