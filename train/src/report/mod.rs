pub(crate) fn render(_: &crate::Outcome) -> String {
    String::new()
}
