use std::fmt;
use std::path::Path;

use crate::Error;
use crate::column::Entry;

/// Which value of a label column means churn and which one means that the tenant stayed.
///
/// Values are compared as numbers where they are numbers (`1` and `1.0` are the same label), else in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelValues {
    column: String,
    churned: String,
    stayed: String,
    /// What churn is, where that is known.
    meaning: Option<String>,
}

/// Words and numbers that say churned or stayed without being told. A full stop after a word is ignored, because a
/// much-used churn table writes `True.` and `False.`.
const CHURNED: [&str; 15] = [
    "1",
    "true",
    "t",
    "yes",
    "y",
    "churn",
    "churned",
    "left",
    "lost",
    "cancelled",
    "canceled",
    "attrited",
    "gone",
    "exited",
    "closed",
];
const STAYED: [&str; 14] = [
    "0",
    "false",
    "f",
    "no",
    "n",
    "stayed",
    "stay",
    "retained",
    "active",
    "current",
    "existing",
    "loyal",
    "not churned",
    "no churn",
];

const MOST_EXAMPLES: usize = 5;

impl LabelValues {
    /// The values of a label column, as a training set read them before.
    pub fn new(column: impl Into<String>, churned: impl Into<String>, stayed: impl Into<String>) -> Self {
        Self { column: column.into(), churned: churned.into(), stayed: stayed.into(), meaning: None }
    }

    /// The same values with what churn is, such as "cancelled within \[14 d, 74 d) after the observation date".
    pub fn with_meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    /// What churn is, where that is known.
    pub fn meaning(&self) -> Option<&str> {
        self.meaning.as_deref()
    }

    /// Name of the label column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The value that means churn.
    pub fn churned(&self) -> &str {
        &self.churned
    }

    /// The value that means that the tenant stayed.
    pub fn stayed(&self) -> &str {
        &self.stayed
    }

    /// Reads a label: whether it says churn, or `None` when it is neither value.
    pub fn read(&self, text: &str) -> Option<bool> {
        let meaning = Meaning::of(text);
        if meaning == Meaning::of(&self.churned) {
            Some(true)
        } else if meaning == Meaning::of(&self.stayed) {
            Some(false)
        } else {
            None
        }
    }

    /// Finds out what the distinct values of a label column mean.
    pub(crate) fn infer(path: &Path, column: &str, entries: &[Entry], positive: Option<&str>) -> Result<Self, Error> {
        let (path, column) = (path.to_owned(), column.to_owned());
        let values = distinct(entries);
        let (first, second) = match values.as_slice() {
            [] => unreachable!("blank labels are refused before"),
            [only] => return Err(Error::OneLabel { path, column, found: only.text.clone() }),
            [first, second] => (first, second),
            more => {
                let examples = more.iter().take(MOST_EXAMPLES).map(|value| (value.text.clone(), value.count)).collect();
                return Err(Error::ManyLabels { path, column, n_values: more.len(), examples });
            }
        };
        let texts = |churned: &Value, stayed: &Value| Self::new(column.clone(), &churned.text, &stayed.text);
        match positive {
            Some(positive) if Meaning::of(positive) == first.meaning => Ok(texts(first, second)),
            Some(positive) if Meaning::of(positive) == second.meaning => Ok(texts(second, first)),
            Some(positive) => {
                let (first, second) = (first.text.clone(), second.text.clone());
                Err(Error::NoSuchLabel { path, column, positive: positive.to_owned(), first, second })
            }
            None if are_usual(&first.meaning, &second.meaning) => Ok(texts(first, second)),
            None if are_usual(&second.meaning, &first.meaning) => Ok(texts(second, first)),
            None => {
                let (first, second) = (first.text.clone(), second.text.clone());
                Err(Error::WhichLabel { path, column, first, second })
            }
        }
    }
}

/// As a report says it: `Churn: 1 = churn, 0 = stayed`, with what churn is where that is known.
impl fmt::Display for LabelValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = self.meaning.as_deref().unwrap_or("churn");
        write!(f, "{}: {} = {meaning}, {} = stayed", self.column, self.churned, self.stayed)
    }
}

/// Whether these say churned and stayed without being told. -1 says stayed where the other label is +1, as LIBSVM's files
/// have it, and nothing beside any other.
fn are_usual(churned: &Meaning, stayed: &Meaning) -> bool {
    let are_signs = *churned == Meaning::of("1") && *stayed == Meaning::of("-1");
    are_signs || (churned.is_in(&CHURNED) && stayed.is_in(&STAYED))
}

struct Value {
    meaning: Meaning,
    text: String,
    count: usize,
}

/// The values that mean something different, most frequent first, each in its most frequent spelling.
fn distinct(entries: &[Entry]) -> Vec<Value> {
    let mut spellings: Vec<&Entry> = entries.iter().collect();
    spellings.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    let mut values: Vec<Value> = Vec::new();
    let mut position_of = std::collections::HashMap::new();
    for Entry { text, count, .. } in spellings {
        let meaning = Meaning::of(text);
        match position_of.get(&meaning) {
            Some(&position) => {
                let value: &mut Value = &mut values[position];
                value.count += count;
            }
            None => {
                position_of.insert(meaning.clone(), values.len());
                values.push(Value { meaning, text: text.clone(), count: *count });
            }
        }
    }
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    values
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Meaning {
    /// Bits of a finite number, with one zero.
    Number(u64),
    Word(String),
}

impl Meaning {
    fn of(text: &str) -> Self {
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number((number + 0.0).to_bits()),
            _ => Self::Word(text.to_lowercase()),
        }
    }

    fn is_in(&self, words: &[&str]) -> bool {
        let stem = match self {
            Self::Number(_) => return words.iter().any(|word| Self::of(word) == *self),
            Self::Word(word) => word.trim_end_matches('.'),
        };
        words.contains(&stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileLine;
    use churn_features::Cell;

    fn infer(values: &[(&str, usize)], positive: Option<&str>) -> Result<String, String> {
        let entries: Vec<Entry> = values
            .iter()
            .map(|&(text, count)| Entry {
                text: text.to_owned(),
                cell: Cell::read(text),
                count,
                first_line: FileLine::new(0, 2),
            })
            .collect();
        let read = LabelValues::infer(Path::new("t.csv"), "Churn", &entries, positive);
        read.map(|values| values.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn usual_labels_are_understood() {
        let ok = |text: &str| Ok(format!("Churn: {text}"));
        assert_eq!(infer(&[("0", 3), ("1", 2)], None), ok("1 = churn, 0 = stayed"));
        assert_eq!(infer(&[("1.0", 3), ("0.0", 2), ("1", 9)], None), ok("1 = churn, 0.0 = stayed"));
        assert_eq!(infer(&[("Yes", 3), ("No", 2), ("yes", 1)], None), ok("Yes = churn, No = stayed"));
        assert_eq!(infer(&[("False.", 3), ("True.", 2)], None), ok("True. = churn, False. = stayed"));
        assert_eq!(infer(&[("Stayed", 3), ("Churned", 2)], None), ok("Churned = churn, Stayed = stayed"));
        assert_eq!(infer(&[("-1", 3), ("+1", 2), ("1", 1)], None), ok("+1 = churn, -1 = stayed"));
        assert_eq!(infer(&[("1.0", 3), ("-1.0", 2)], None), ok("1.0 = churn, -1.0 = stayed"));
    }

    #[test]
    fn minus_one_says_nothing_beside_another_label() {
        for other in ["2", "yes", "0"] {
            let error = infer(&[("-1", 3), (other, 2)], None).unwrap_err();
            assert!(error.contains("means churn; say which"), "{error}");
        }
        assert!(infer(&[("-1", 3), ("1", 2), ("0", 2)], None).unwrap_err().contains("found 3"));
    }

    #[test]
    fn other_labels_need_to_be_told() {
        assert_eq!(infer(&[("A", 3), ("B", 2)], Some("b")), Ok("Churn: B = churn, A = stayed".into()));
        assert_eq!(infer(&[("0", 3), ("1", 2)], Some("0.0")), Ok("Churn: 0 = churn, 1 = stayed".into()));
        let which = r#""t.csv", column "Churn": either "A" or "B" means churn; say which with --positive"#;
        assert_eq!(infer(&[("A", 3), ("B", 2)], None), Err(which.into()));
        let no_such = r#""t.csv", column "Churn": no label is "C"; --positive is either "A" or "B""#;
        assert_eq!(infer(&[("A", 3), ("B", 2)], Some("C")), Err(no_such.into()));
    }

    #[test]
    fn one_or_many_values_are_no_label() {
        let one = r#""t.csv", column "Churn": every label is "0"; a model needs churned and stayed rows"#;
        assert_eq!(infer(&[("0", 3), ("0.0", 1)], None), Err(one.into()));
        let three =
            r#""t.csv", column "Churn": a label has 2 values, found 3: "b" (5), "a" (3), "c" (3); keep two of them"#;
        assert_eq!(infer(&[("a", 3), ("b", 5), ("c", 3)], None), Err(three.into()));
        let six: Vec<(&str, usize)> = ["a", "b", "c", "d", "e", "f"].into_iter().zip([6, 5, 4, 3, 2, 1]).collect();
        assert!(
            infer(&six, None)
                .is_err_and(|text| text.contains("found 6:") && text.ends_with("and 1 more; keep two of them"))
        );
    }

    #[test]
    fn a_label_is_read_back_by_its_values() {
        let values = LabelValues::new("Churn", "1", "0");
        assert_eq!(
            ["1", " 1.0 ", "0", "2", ""].map(|text| values.read(text)),
            [Some(true), Some(true), Some(false), None, None]
        );
        assert_eq!(LabelValues::new("c", "Yes", "No").read("YES"), Some(true));
        assert_eq!(LabelValues::new("c", "1", "0").read("-0.0"), Some(false));
    }
}
