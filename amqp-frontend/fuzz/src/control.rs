//! What routers tell each other: any octets.

use engine_message::section;
use engine_router::annotations::Annotations;
use engine_router::control::{Destination, decode};

/// A message is a control message or none, and said again it is understood again; its annotations are the same when they are written.
pub fn control(data: &[u8]) {
    if let Ok(control) = decode(data) {
        let again = control.encode(&Destination::All);
        assert_eq!(decode(&again).map(|again| again.id), Ok(control.id), "what is written is read");
    }
    let Ok(sections) = section::scan(data) else { return };
    if let Ok(annotations) = Annotations::read(&data[sections.message_annotations]) {
        let mut out = Vec::new();
        annotations.encode(&mut out);
        assert_eq!(Annotations::read(&out), Ok(annotations), "what is written is what was read");
    }
}
