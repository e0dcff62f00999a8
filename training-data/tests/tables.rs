//! What a table is read as.

use std::io::Write;
use std::path::{Path, PathBuf};

use churn_features::FeatureKind;
use churn_training_data::{Role, TableOptions, TrainingSet, ValueSummary, group_of, read_table};

fn read(bytes: impl AsRef<[u8]>, options: &TableOptions) -> TrainingSet {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes.as_ref()).expect("writes");
    read_file(file.path(), options)
}

fn read_file(path: &Path, options: &TableOptions) -> TrainingSet {
    let table = read_table(path, options).unwrap_or_else(|error| panic!("{error}"));
    TrainingSet::from_table(table).unwrap_or_else(|error| panic!("{error}"))
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn churn() -> TableOptions {
    TableOptions::new("churn")
}

/// The values of a feature, with missing ones as `None`.
fn column(set: &TrainingSet, name: &str) -> Vec<Option<f32>> {
    let position = set.schema().position(name).expect("a feature of that name");
    set.features().column(position).iter().map(|value| (!value.is_nan()).then_some(*value)).collect()
}

fn kind(set: &TrainingSet, name: &str) -> FeatureKind {
    set.schema().features()[set.schema().position(name).expect("a feature of that name")].kind().clone()
}

fn levels(names: &[&str]) -> FeatureKind {
    FeatureKind::Category { levels: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn notes(set: &TrainingSet, name: &str) -> Vec<String> {
    set.describe().into_iter().find(|column| column.name == name).expect("a column of that name").notes
}

#[test]
fn a_telecom_table_is_understood_without_options() {
    let set = read_file(
        &data("telco_like.csv"),
        &TableOptions { id: Some("customerID".into()), ..TableOptions::new("Churn") },
    );
    assert_eq!(set.label_values().to_string(), "Churn: Yes = churn, No = stayed");
    assert_eq!((set.n_observations(), set.n_churned()), (16, 4));
    assert_eq!(set.keys().get(0), "1000-T00X");
    assert_eq!(set.groups(), None);
    assert_eq!(kind(&set, "gender"), levels(&["Female", "Male"]));
    assert_eq!(kind(&set, "SeniorCitizen"), FeatureKind::Numeric);
    assert_eq!(kind(&set, "Partner"), FeatureKind::Boolean);
    assert_eq!(kind(&set, "InternetService"), levels(&["DSL", "Fiber optic", "No"]));
    assert_eq!(kind(&set, "Contract"), levels(&["Month-to-month", "One year", "Two year"]));
    assert_eq!(kind(&set, "TotalCharges"), FeatureKind::Numeric);
    assert_eq!(column(&set, "TotalCharges")[0], None);
}

#[test]
fn a_company_table_is_understood_without_options() {
    let set = read_file(
        &data("companies_like.csv"),
        &TableOptions { id: Some("Company".into()), ..TableOptions::new("Churn") },
    );
    let names: Vec<&str> = set.schema().features().iter().map(|feature| feature.name()).collect();
    assert_eq!(names, ["Industry", "Revenue", "Employees", "#job30", "#job90", "MonthlyCharge", "TotalCharge"]);
    assert_eq!(kind(&set, "Industry"), levels(&["IT", "finance", "gov", "retail", "travel"]));
    assert!(names[1..].iter().all(|name| kind(&set, name) == FeatureKind::Numeric));
    assert_eq!(set.label_values().to_string(), "Churn: 1 = churn, 0 = stayed");
}

#[test]
fn the_same_table_is_read_from_every_form_of_file() {
    let plain = "plan,x,churn\n\"pro, yearly\",1.5,0\nbasic,,1\n";
    let crlf = plain.replace('\n', "\r\n");
    let with_mark = format!("\u{feff}{crlf}");
    let unended = plain.trim_end().to_owned();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(with_mark.as_bytes()).expect("compresses");
    let gzip = gzip.finish().expect("compresses");
    for bytes in [plain.as_bytes(), crlf.as_bytes(), with_mark.as_bytes(), unended.as_bytes(), &gzip] {
        let set = read(bytes, &churn());
        assert_eq!(kind(&set, "plan"), levels(&["basic", "pro, yearly"]));
        assert_eq!(column(&set, "plan"), [Some(1.0), Some(0.0)]);
        assert_eq!(column(&set, "x"), [Some(1.5), None]);
        assert_eq!(set.labels(), [false, true]);
    }
}

#[test]
fn every_value_of_a_long_table_stands_in_its_row() {
    let n_rows = 5000;
    let rows: String = (0..n_rows).map(|i| format!("{i},l{},{}\n", i % 7, i % 2)).collect();
    let set = read(format!("x,level,churn\n{rows}"), &churn());
    assert_eq!(column(&set, "x"), (0..n_rows).map(|i| Some(i as f32)).collect::<Vec<_>>());
    assert_eq!(column(&set, "level"), (0..n_rows).map(|i| Some((i % 7) as f32)).collect::<Vec<_>>());
    assert!(set.labels().iter().enumerate().all(|(row, &label)| label == (row % 2 == 1)));
}

#[test]
fn a_table_without_header_has_its_label_first() {
    let set = read("1,2.5,a\n0,3.5,b\n", &TableOptions::headerless());
    assert_eq!(set.labels(), [true, false]);
    assert_eq!(column(&set, "column_1"), [Some(2.5), Some(3.5)]);
    assert_eq!(kind(&set, "column_2"), levels(&["a", "b"]));
}

#[test]
fn missing_words_are_missing_and_reported() {
    let set = read("x,churn\n1,0\nNA,1\n ,1\nnan,0\nNA,0\n", &churn());
    assert_eq!(column(&set, "x"), [Some(1.0), None, None, None, None]);
    assert!(notes(&set, "x").contains(&r#"counted as missing: "NA" (2), "nan" (1)"#.to_owned()));
}

#[test]
fn yes_and_no_are_booleans_and_a_mixture_of_words_is_not() {
    let set = read("a,b,c,d,churn\nYES,t,yes,1,0\nno,F,true,0,1\n,,y,1,1\n", &churn());
    assert_eq!((kind(&set, "a"), column(&set, "a")), (FeatureKind::Boolean, vec![Some(1.0), Some(0.0), None]));
    assert_eq!((kind(&set, "b"), column(&set, "b")), (FeatureKind::Boolean, vec![Some(1.0), Some(0.0), None]));
    assert_eq!(kind(&set, "c"), levels(&["true", "y", "yes"]));
    assert_eq!(kind(&set, "d"), FeatureKind::Numeric);
}

#[test]
fn numbers_named_as_category_keep_their_text() {
    let options = TableOptions { category: vec!["zip".into()], ..churn() };
    let set = read("zip,churn\n007,0\n7,1\n007,1\n10,0\n", &options);
    assert_eq!(kind(&set, "zip"), levels(&["007", "10", "7"]));
    assert_eq!(column(&set, "zip"), [Some(0.0), Some(2.0), Some(0.0), Some(1.0)]);
}

#[test]
fn a_text_that_differs_in_most_rows_is_left_out_unless_it_is_named() {
    let rows: String = (0..300).map(|i| format!("name {i},{i},{}\n", i % 2)).collect();
    let table = format!("name,x,churn\n{rows}");
    let set = read(&table, &churn());
    assert_eq!(set.schema().position("name"), None);
    let reason = "300 different texts in 300 rows: an identifier, not a category".to_owned();
    assert_eq!(set.describe()[0].role, Role::Dropped { reason });
    assert_eq!(set.describe()[0].n_distinct, Some(300));
    let set = read(&table, &TableOptions { category: vec!["name".into()], ..churn() });
    assert_eq!(set.schema().features()[0].levels().len(), 253);
}

#[test]
fn rare_levels_of_a_large_category_count_as_missing() {
    // Levels 0 to 299, level i in i / 100 + 1 rows; the 253 most frequent leave out 47 of those in one row.
    let rows: String =
        (0..300).flat_map(|i| (0..=i / 100 * 2).map(move |j| format!("l{i:03},{j},{}\n", (i + j) % 2))).collect();
    let set = read(format!("level,x,churn\n{rows}"), &churn());
    let kept = set.schema().features()[0].levels();
    assert_eq!((kept.len(), kept[0].as_str(), kept[52].as_str(), kept[53].as_str()), (253, "l000", "l052", "l100"));
    let note = "the 253 most frequent of 300 levels are kept; other levels count as missing (47 rows)";
    assert_eq!(notes(&set, "level"), [note]);
    assert_eq!(column(&set, "level").iter().filter(|value| value.is_none()).count(), 47);
}

#[test]
fn words_that_turn_up_late_get_the_texts_back() {
    // 20,000 different numbers overflow the dictionary before the words appear; half of the rows are words.
    let numbers: String = (0..20_000).map(|i| format!("{i}.50,{},{i}\n", i % 2)).collect();
    let words: String = (0..25_000).map(|i| format!("none of them,{},{i}\n", i % 2)).collect();
    let set = read(format!("x,churn,y\n{numbers}{words}"), &churn());
    let kept = set.schema().features()[0].levels();
    assert_eq!((kept.len(), kept[0].as_str(), kept[252].as_str()), (253, "0.50", "none of them"));
}

#[test]
fn numbers_with_signs_are_pointed_out() {
    let set = read("fee,churn\n\"$1,200\",0\n$80,1\n", &churn());
    let note =
        r#"read as text because of signs or separators, such as "$1,200"; write plain numbers to use it as a number"#;
    assert_eq!(notes(&set, "fee"), [note]);
}

#[test]
fn groups_and_weights_follow_their_columns() {
    let options = TableOptions { group: Some("g".into()), weight: Some("w".into()), ..churn() };
    let set = read("g,w,x,churn\na,1,1,0\nb,0.5,2,1\na,2,3,1\n", &options);
    assert_eq!(set.groups(), Some([group_of("a"), group_of("b"), group_of("a")].as_slice()));
    assert_eq!(set.weights(), Some([1.0, 0.5, 2.0].as_slice()));
    assert_eq!(set.schema().len(), 1);
    assert_eq!(set.keys().iter().collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn repeated_ids_are_groups() {
    let options = TableOptions { id: Some("k".into()), ..churn() };
    let set = read("k,x,churn\na,1,0\nb,2,1\na,3,1\n", &options);
    assert_eq!(set.groups(), Some([group_of("a"), group_of("b"), group_of("a")].as_slice()));
    assert_eq!(notes(&set, "k"), ["3 rows share 2 ids; rows of one id stay together in splits"]);
    let both = TableOptions { group: Some("k".into()), ..options };
    assert_eq!(read("k,x,churn\na,1,0\nb,2,1\na,3,1\n", &both).groups(), set.groups());
}

#[test]
fn a_selection_keeps_rows_whole() {
    let options = TableOptions { id: Some("k".into()), group: Some("g".into()), weight: Some("w".into()), ..churn() };
    let set = read("k,g,w,x,churn\na,p,1,10,0\nb,q,2,20,1\nc,p,3,,1\n", &options);
    let some = set.select(&[2, 0]);
    assert_eq!(some.labels(), [true, false]);
    assert_eq!(some.keys().iter().collect::<Vec<_>>(), ["c", "a"]);
    assert_eq!(some.groups(), Some([group_of("p"), group_of("p")].as_slice()));
    assert_eq!(some.weights(), Some([3.0, 1.0].as_slice()));
    assert_eq!(column(&some, "x"), [None, Some(10.0)]);
    assert_eq!(some.schema(), set.schema());
}

#[test]
fn a_description_says_what_each_column_holds() {
    let options = TableOptions { drop: vec!["junk".into()], ..churn() };
    let set = read("x,plan,same,junk,churn\n3,a,5,?,0\n1,b,5,,1\n,a,5,q,1\n2,,5,r,1\n", &options);
    let [x, plan, same, junk, label] = set.describe().try_into().expect("five columns");
    assert_eq!((x.kind, x.n_missing, x.n_distinct), (Some("number"), Some(1), Some(3)));
    assert_eq!(x.values, ValueSummary::Numbers { min: 1.0, median: 2.0, max: 3.0 });
    assert_eq!((plan.kind, plan.n_missing, plan.n_distinct), (Some("category"), Some(1), Some(2)));
    assert_eq!(plan.values, ValueSummary::Levels(vec![("a".into(), 2), ("b".into(), 1)]));
    assert_eq!(same.notes, ["the same value in every row that has one"]);
    assert_eq!(junk.role, Role::Dropped { reason: "asked for with --drop".into() });
    assert_eq!((junk.n_missing, junk.n_distinct), (None, None));
    assert_eq!(label.values, ValueSummary::Levels(vec![("1".into(), 3), ("0".into(), 1)]));
    assert_eq!(label.notes, ["1 = churn, 0 = stayed"]);
}
