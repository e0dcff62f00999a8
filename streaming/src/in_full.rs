use std::error::Error;

/// An error with all that is behind it, in one line.
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Link {
        what: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn an_error_is_told_with_all_that_is_behind_it() {
        let link = |what, source: Option<Link>| Link { what, source: source.map(Box::new) };
        let error = link("cannot read a", Some(link("is no file", Some(link("is a folder", None)))));
        assert_eq!(in_full(&error), "cannot read a: is no file: is a folder");
    }
}
