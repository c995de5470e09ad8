//! The router's id and times.

use crate::fault::{Doubt, Findings, shown};
use crate::limits::ID_OCTETS_MAX;
use crate::whole::Whole;

pub(super) fn check(whole: &Whole, findings: &mut Findings) {
    let Some(router) = &whole.router else { return };
    if let Some(id) = &router.section.id {
        let line = router.attributes.line_of("id");
        let advice = "write a name of letters, digits, dots and hyphens, another one for each router; host names are";
        if id.is_empty() || id.len() > ID_OCTETS_MAX {
            findings.fault(line, || {
                let wrong = format!("'id' of router has {} octets, and an id has 1 to {ID_OCTETS_MAX}", id.len());
                (wrong, advice.to_owned())
            });
        } else if id.chars().any(|c| c.is_whitespace() || c.is_control()) {
            findings.fault(line, || {
                (format!("'id' of router is {}, which has a blank or control character", shown(id)), advice.to_owned())
            });
        }
    }
    let intervals = &router.section.intervals;
    if intervals.hello_max_age < intervals.hello {
        findings.warn(router.attributes.line_of("helloMaxAgeSeconds"), Doubt::Questionable, || {
            "'helloMaxAgeSeconds' is less than 'helloIntervalSeconds': every neighbour is lost between two greetings".to_owned()
        });
    }
}
