pub(crate) fn model_card(_: &crate::Outcome) -> String {
    String::new()
}
