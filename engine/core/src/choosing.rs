//! Subscriptions that get some of the messages of their address: those for which their selector is true, those of other containers.
//!
//! Guarantees: a message is looked at where it is put into queues, once for each selector that may be true for it (`Index`), and before
//! any queue is asked whether it takes it. Whose messages are left out is compared before any selector is evaluated. What no selector of an address asks for costs none of its messages anything.
//!
//! Not here: selectors of consumers that share a queue with others (`queue::picking`), and of browsers (`browser`).

use engine_message::Condition;
use engine_selector::View;

use crate::choice::{self, Choice};
use crate::command::RoutingType;
use crate::core::Core;
use crate::event::Refusal;
use crate::limits::LARGE_FRONT_MAX;
use crate::message::{Content, Message};
use crate::origin::Origin;
use crate::queue::Identity;
use crate::slab::Key;

impl Core {
    /// Whether a queue gets a message that is from there.
    #[inline]
    pub(crate) fn chooses(&self, key: Key, origin: Option<Origin>, message: &Message) -> Result<bool, Box<Refusal>> {
        let Some(queue) = self.nodes.queues.get(key) else { return Ok(true) };
        let Some(choice) = &queue.identity.choice else { return Ok(true) };
        if choice.leaves_out(origin) {
            return Ok(false);
        }
        let Some(selector) = choice.selector() else { return Ok(true) };
        let address = self.nodes.addresses.get(queue.identity.address).map_or("", |address| &address.name);
        Ok(selector.matches(&view(address, message)?))
    }

    /// The queues of multicast that get a message that is from there, if some of them choose.
    pub(crate) fn chosen(
        &self,
        address: Key,
        origin: Option<Origin>,
        message: &Message,
    ) -> Result<Option<Vec<Key>>, Box<Refusal>> {
        let Some(address) = self.nodes.addresses.get(address) else { return Ok(None) };
        let Some(choosing) = address.queues.choosing() else { return Ok(None) };
        let mut chosen = choosing.others.listed().to_vec();
        let no_local = choosing.no_local.listed().iter().copied();
        chosen.extend(no_local.filter(|&key| self.choice_for(key, origin).is_some()));
        if choosing.index.is_empty() {
            return Ok(Some(chosen));
        }
        let view = view(&address.name, message)?;
        choosing.index.candidates(&view, |key| {
            if self.choice_for(key, origin).is_some_and(|choice| choice.sees(&view)) {
                chosen.push(key);
            }
        });
        Ok(Some(chosen))
    }

    /// The choice of a queue of multicast that does not leave out what is from there.
    fn choice_for(&self, key: Key, origin: Option<Origin>) -> Option<&Choice> {
        let Identity { routing, choice, .. } = &self.nodes.queues.get(key)?.identity;
        let choice = choice.as_deref().filter(|_| *routing == RoutingType::Multicast)?;
        (!choice.leaves_out(origin)).then_some(choice)
    }
}

/// What selectors see of a message.
///
/// # Errors
/// When its sections are in a file, and more than is kept beside it: it would miss subscriptions that ask for it.
fn view<'a>(address: &'a str, message: &'a Message) -> Result<View<'a>, Box<Refusal>> {
    if message.content == Content::File && message.front().is_empty() {
        let text = format!(
            "subscriptions of {address} have selectors, which look at {LARGE_FRONT_MAX} octets of properties of a large message at most: \
             send it with fewer, or to another address"
        );
        return Err(Refusal::new(Condition::NotImplemented, text));
    }
    Ok(choice::view(address, message))
}
