
/// Whether the fault of this name is switched on.
fn is_planted(fault: &str) -> bool {
    static FAULT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    FAULT.get_or_init(|| std::env::var("HEDDLE_FAULT").unwrap_or_default()) == fault
}
