//! What the listeners of a file agree on: what one has that stands in place of them all, but for address and name.

use std::fmt::Write as _;

use engine_catalogue::Area;
use engine_catalogue::setting::Value;

use super::print::written;
use super::settings::Listener;

/// What each listener has for itself.
const OWN: [&str; 2] = ["address", "name"];

/// All but the address of some listeners, of which there is at least one.
///
/// # Errors
/// What they do not agree on, with what to do.
pub fn agreed(listeners: &[Listener]) -> Result<Option<Listener>, String> {
    let Some(first) = listeners.first() else { return Ok(None) };
    let mut others = String::new();
    for listener in listeners {
        let pairs = Listener::SETTINGS.iter().zip(first.values().into_iter().zip(listener.values()));
        for (setting, (one, other)) in pairs.filter(|(setting, _)| !OWN.contains(&setting.name)) {
            if one != other && !others.contains(setting.name) {
                let shown = |value: &Value| written(value).unwrap_or_else(|| "not set".to_owned());
                let separator = if others.is_empty() { "" } else { ", " };
                let _ = write!(others, "{separator}{} ({} and {})", setting.name, shown(&one), shown(&other));
            }
        }
    }
    if others.is_empty() {
        return Ok(Some(first.clone()));
    }
    Err(format!(
        "--listen stands in place of all listeners of the file, and takes what they agree on: they differ in {others}. Leave --listen out, or \
         write the same for each"
    ))
}
