//! Configurations of routers.

use engine_router_conf::{Secrets, read};

/// A file is taken, or refused with faults that are told in bounds; what was taken is printed so that it reads to the same, and is printed
/// so again.
pub fn router_conf(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in ["qdrouterd.conf", "qdrouterd.json"] {
        let reading = read(name, text, |_| Some("value".to_owned()));
        match reading.configuration {
            Ok(configuration) => {
                let printed = configuration.to_text(Secrets::Shown);
                let again = read("qdrouterd.conf", &printed, |_| None).configuration;
                let again = again.unwrap_or_else(|faults| panic!("what is printed is refused: {faults}\n{printed}"));
                assert_eq!(again, configuration, "what is printed reads to the same");
                assert_eq!(again.to_text(Secrets::Shown), printed, "it is printed so again");
            }
            Err(faults) => assert!(faults.count() > 0, "what is refused is told"),
        }
    }
}
