//! Connections that their peers open: whether they may, of a container that wants to have one only (AMQP Enforcing Connection Uniqueness
//! 1.0: `sole-connection-for-container`), and what they are told.
//!
//! Guarantees: an open is answered once, when whoever answers for the container has said; what the peer sent behind it is kept until
//! then. What the answer says of policies is what is done. A policy that is not known refuses the connection.

use amqp_codec::AmqpError;
use amqp_codec::performative::Open;
use engine_core::command::SolePolicy;
use engine_core::event::{Event, Refusal};
use engine_home::{Closed, Home, Request};
use engine_message::Condition;
use engine_message::value::Value;

use crate::attaching::error;
use crate::bind::Bind;
use crate::joints;

/// The capability: offered to all, and in force for those that desire it.
const SOLE: &str = "sole-connection-for-container";
/// The property of an open that says what becomes of a second connection: `REFUSE_CONNECTION` if it says nothing.
const ENFORCEMENT: &str = "sole-connection-enforcement-policy";
/// The property of the answer that says which connections count: `STRONG`.
const DETECTION: &str = "sole-connection-detection-policy";
const REFUSE_CONNECTION: u32 = 0;
const CLOSE_EXISTING: u32 = 1;
/// All connections of the container count, also those that do not desire the capability.
const STRONG: u32 = 0;

/// Whether a peer wants to have one connection only.
fn sole(open: &Open) -> Result<Option<SolePolicy>, AmqpError> {
    if !open.desired_capabilities.iter().any(|desired| *desired == SOLE) {
        return Ok(None);
    }
    match open.properties.get(ENFORCEMENT) {
        None | Some(Value::Null | Value::Uint(REFUSE_CONNECTION)) => Ok(Some(SolePolicy::RefuseConnection)),
        Some(Value::Uint(CLOSE_EXISTING)) => Ok(Some(SolePolicy::CloseExisting)),
        Some(_) => {
            let text = format!("the open's {ENFORCEMENT} is neither 0 (refuse-connection) nor 1 (close-existing)");
            Err(AmqpError::new(Condition::InvalidField, text))
        }
    }
}

/// Adds to an answer which policies are in force.
fn answer(open: &mut Open, sole: Option<SolePolicy>) {
    open.offered_capabilities.push(SOLE.into());
    let enforcement = match sole {
        None => return,
        Some(SolePolicy::RefuseConnection) => REFUSE_CONNECTION,
        Some(SolePolicy::CloseExisting) => CLOSE_EXISTING,
    };
    open.properties.insert(ENFORCEMENT, Value::Uint(enforcement));
    open.properties.insert(DETECTION, Value::Uint(STRONG));
}

impl Bind {
    /// The peer opens the connection: whoever answers for its container is asked.
    pub(crate) fn handle_open(&mut self, home: &mut Home, open: Open) {
        tracing::debug!(target: "heddle::net", container = %open.container_id, "connection opened");
        if let Some(open) = self.judge(open) {
            self.claim(home, open);
        }
    }

    /// Asks whoever answers for the container of a connection that may be opened.
    pub(crate) fn claim(&mut self, home: &mut Home, open: Open) {
        match sole(&open) {
            Ok(sole) => {
                self.note_open(&open);
                if home.engine().router().is_some() {
                    self.client.introduce(&open.properties);
                }
                self.client.container = open.container_id;
                self.entry.sole = sole;
                home.claim(&self.client, sole);
            }
            Err(error) => self.refuse_open(home, error),
        }
    }

    /// Takes what whoever answers for the connection's container says.
    pub fn handle_claim(&mut self, home: &mut Home, event: Event) {
        match event {
            Event::Admitted { owner, claim } => {
                home.handle_admitted(&mut self.client, owner, claim);
                self.handle_admitted(home);
            }
            Event::Refused { refusal } => self.handle_unadmitted(home, *refusal),
            Event::Detached { refusal } if home.handle_unclaimed(&mut self.client) => {
                let mut error = error(*refusal);
                error.info.insert("sole-connection-enforcement", Value::Boolean(true));
                self.close_with(home, error);
            }
            // It goes already.
            Event::Detached { .. } => {}
            Event::Through(said) => self.handle_said_here(home, *said),
            Event::LinkWanted => self.ask_apart(home),
            other => unreachable!("{other:?} is for a link"),
        }
    }

    fn handle_admitted(&mut self, home: &mut Home) {
        // The connection may have been closed meanwhile: it took too long.
        if !self.machine.is_waiting() {
            return home.drop_claim(&mut self.client);
        }
        self.opened = true;
        let mut open = self.machine.config().server_open();
        answer(&mut open, self.entry.sole);
        joints::mark(&mut open, self.client.peer, self.machine.config().stream_above);
        self.machine.accept_open(open, &mut self.out);
        if home.engine().router().is_some() {
            // Links may be attached to it.
            self.requests.push_back(Request::Opened);
        }
        self.resume(home);
    }

    fn handle_unadmitted(&mut self, home: &mut Home, refusal: Refusal) {
        if !self.machine.is_waiting() {
            return;
        }
        let mut error = error(refusal);
        if error.condition == Condition::InvalidField {
            error.info.insert("invalid-field", Value::Symbol("container-id".into()));
        }
        self.refuse_open(home, error);
        self.resume(home);
    }

    fn refuse_open(&mut self, home: &mut Home, error: AmqpError) {
        let told = error.to_string();
        self.refuse_open_telling(home, error, told);
    }

    /// Refuses an open; `told` is for whoever runs the node.
    pub(crate) fn refuse_open_telling(&mut self, home: &mut Home, error: AmqpError, told: String) {
        self.requests.push_back(Request::Closed(Closed::Error(told)));
        self.machine.refuse_open(error, home.engine().now_ns(), &mut self.out);
    }
}

#[cfg(test)]
mod tests {
    use engine_message::Symbol;

    use super::*;

    fn open(desired: &[&'static str], policy: Option<Value>) -> Open {
        let desired_capabilities = desired.iter().map(|&desired| Symbol::from(desired)).collect();
        let mut open = Open { desired_capabilities, ..Open::default() };
        policy.into_iter().for_each(|policy| open.properties.insert(ENFORCEMENT, policy));
        open
    }

    #[test]
    fn a_policy_is_understood_and_answered_where_the_capability_is_desired() {
        for (policy, wanted, told) in [
            (None, SolePolicy::RefuseConnection, 0),
            (Some(Value::Null), SolePolicy::RefuseConnection, 0),
            (Some(Value::Uint(0)), SolePolicy::RefuseConnection, 0),
            (Some(Value::Uint(1)), SolePolicy::CloseExisting, 1),
        ] {
            let asked = open(&["other", SOLE], policy.clone());
            assert_eq!(sole(&asked), Ok(Some(wanted)), "{policy:?}");
            let mut answered = Open::default();
            answer(&mut answered, Some(wanted));
            assert_eq!(answered.properties.get(ENFORCEMENT), Some(&Value::Uint(told)));
            assert_eq!(answered.properties.get(DETECTION), Some(&Value::Uint(STRONG)));
        }
        for policy in [Value::Uint(2), Value::Ubyte(1), Value::String("close-existing".to_owned())] {
            let refused = sole(&open(&[SOLE], Some(policy.clone()))).expect_err("it is none of the two");
            assert_eq!(refused.condition, Condition::InvalidField, "{policy:?}");
            assert_eq!(sole(&open(&[], Some(policy))), Ok(None), "nobody desires it");
        }
        let mut answered = Open::default();
        answer(&mut answered, None);
        assert_eq!(answered.offered_capabilities, [Symbol::from(SOLE)]);
        assert_eq!(answered.properties.get(DETECTION), None);
    }
}
