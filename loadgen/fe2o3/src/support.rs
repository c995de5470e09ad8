//! What this client cannot do, so that nothing is measured that was not asked for.

use load_drive::RunError;
use load_model::scenario::{Group, Pattern, Priorities, Scenario, Settle};

/// Refuses a scenario that asks for more than this client has.
///
/// # Errors
/// The first option that it has not.
pub(crate) fn check(scenario: &Scenario) -> Result<(), RunError> {
    let connection = &scenario.connection;
    let options = [
        ("connection.churn", connection.churn > 0.0),
        ("connection.reconnect", connection.reconnect),
        ("connection.tls_ca", !connection.tls_ca.is_empty()),
        ("connection.tls_insecure", connection.tls_insecure),
        ("servers: amqps", scenario.every_server().iter().any(|server| server.starts_with("amqps:"))),
    ];
    refuse(options, String::new())?;
    scenario.groups.iter().try_for_each(check_group)
}

fn check_group(group: &Group) -> Result<(), RunError> {
    let options = [
        ("pattern = \"request-reply\"", group.pattern == Pattern::RequestReply),
        ("settle = \"second\"", group.settle == Settle::Second),
        ("transaction", group.transaction > 0),
        ("hold", group.hold.0 > 0),
        ("selector", !group.jms.selector.is_empty()),
        ("priorities", group.jms.priorities != Priorities::default()),
        ("message_groups", group.jms.message_groups > 0),
        ("fail", group.jms.fail.share > 0.0),
    ];
    refuse(options, format!("group {:?}, ", group.name))
}

fn refuse<const N: usize>(options: [(&str, bool); N], place: String) -> Result<(), RunError> {
    match options.into_iter().find(|(_, asked)| *asked) {
        Some((option, _)) => Err(RunError::Scenario(format!(
            "{place}{option}: the client fe2o3 does not have this; leave it out, or use client = \"heddle\""
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use load_model::units::Span;

    use super::*;

    #[test]
    fn what_it_cannot_do_is_named() {
        let with = |change: &dyn Fn(&mut Scenario)| {
            let mut scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
            change(&mut scenario);
            check(&scenario).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(with(&|_| {}), "");
        assert!(with(&|scenario| scenario.connection.churn = 1.0).starts_with("connection.churn: the client fe2o3"));
        assert!(with(&|scenario| scenario.servers = vec!["amqps://a".to_owned()]).contains("amqps"));
        assert!(with(&|scenario| scenario.groups[0].transaction = 5).starts_with("group \"main\", transaction"));
        assert!(with(&|scenario| scenario.groups[0].hold = Span(1)).contains("hold"));
        assert!(
            with(&|scenario| scenario.groups[0].jms.selector = "a".to_owned()).contains("main\", selector: the client")
        );
        assert!(with(&|scenario| scenario.groups[0].jms.message_groups = 1).contains("message_groups"));
        assert!(with(&|scenario| scenario.groups[0].jms.fail.share = 0.1).contains("fail"));
        assert!(with(&|scenario| scenario.groups[0].jms.priorities = "9".parse().expect("one")).contains("priorities"));
        assert!(with(&|scenario| scenario.groups[0].settle = Settle::Second).contains("second"));
        assert!(with(&|scenario| scenario.groups[0].pattern = Pattern::RequestReply).contains("request-reply"));
    }
}
