//! The closed set of protocols that a connection may speak: matched once a read, and once a delivery.
//!
//! A further one is a crate beside `amqp-bind` and a variant here.

use amqp_bind::{Bind, Given, Run, Written};
use amqp_proto::{Authenticated, Out};
use engine_core::command::DetachMode;
use engine_core::event::Event;
use engine_core::preface::Preface;
use engine_core::small::Small;
use engine_home::{Client, FileAt, Gift, Home, LocalId, Prefix, Request, Route, Slot};
use engine_message::Condition;
use engine_policy::{Admission, Denial};

/// A connection's binding.
pub enum Protocol {
    /// AMQP 1.0.
    Amqp(Bind),
}

impl Protocol {
    /// It lives at `conn` of its shard.
    pub(crate) fn set_place(&mut self, conn: Slot) {
        let Self::Amqp(bind) = self;
        bind.set_place(conn);
    }

    /// What its home keeps of it.
    pub fn client(&self) -> &Client {
        let Self::Amqp(bind) = self;
        bind.client()
    }

    /// By which mechanism of SASL its peer came in; empty: by none.
    pub(crate) fn mechanism(&self) -> &str {
        let Self::Amqp(bind) = self;
        bind.machine().mechanism()
    }

    /// Octets that came and were not taken.
    pub fn kept(&self) -> &[u8] {
        let Self::Amqp(bind) = self;
        bind.kept()
    }

    #[inline]
    pub(crate) fn handle_bytes(&mut self, home: &mut Home, bytes: &[u8]) {
        match self {
            Self::Amqp(bind) => bind.handle_bytes(home, bytes),
        }
    }

    #[inline]
    pub(crate) fn handle_owner(&mut self, home: &mut Home, route: Route, event: Event) {
        match self {
            Self::Amqp(bind) => bind.handle_owner(home, route, event),
        }
    }

    #[cold]
    pub(crate) fn handle_parting(&mut self, home: &mut Home, id: LocalId, event: Event) {
        let Self::Amqp(bind) = self;
        bind.handle_parting(home, id, event);
    }

    #[inline]
    pub(crate) fn send(&mut self, gift: &Gift<'_>, prefix: &mut Prefix, wall_ms: u64) {
        match self {
            Self::Amqp(bind) => bind.send(gift, prefix, wall_ms),
        }
    }

    #[inline]
    pub(crate) fn send_small(
        &mut self,
        whom: (LocalId, u64),
        small: &Small<'_>,
        preface: Option<&Preface>,
        by: (&mut Prefix, u64),
    ) -> bool {
        match self {
            Self::Amqp(bind) => bind.send_small(whom, small, preface, by),
        }
    }

    #[inline]
    pub(crate) fn takes_together(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.takes_together()
    }

    #[inline]
    pub(crate) fn send_together(&mut self, id: LocalId, run: &Run<'_>, prefix: &mut Prefix) -> bool {
        let Self::Amqp(bind) = self;
        bind.send_together(id, run, prefix)
    }

    #[cold]
    pub(crate) fn handle_given(&mut self, home: &mut Home, given: Given) {
        let Self::Amqp(bind) = self;
        bind.handle_given(home, given);
    }

    pub(crate) fn handle_claim(&mut self, home: &mut Home, event: Event) {
        let Self::Amqp(bind) = self;
        bind.handle_claim(home, event);
    }

    pub(crate) fn handle_file(&mut self, home: &mut Home, file: FileAt) {
        let Self::Amqp(bind) = self;
        bind.handle_file(home, file);
    }

    pub(crate) fn poll_request(&mut self) -> Option<Request> {
        let Self::Amqp(bind) = self;
        bind.poll_request()
    }

    pub(crate) fn handle_secured(&mut self) -> Vec<u8> {
        let Self::Amqp(bind) = self;
        bind.handle_secured()
    }

    pub(crate) fn handle_authenticated(&mut self, home: &mut Home, authenticated: Authenticated) -> bool {
        let Self::Amqp(bind) = self;
        bind.handle_authenticated(home, authenticated)
    }

    pub(crate) fn handle_judged(&mut self, home: &mut Home, judged: Result<Admission, Denial>) {
        let Self::Amqp(bind) = self;
        bind.handle_judged(home, judged);
    }

    pub(crate) fn handle_moved(&mut self, home: &mut Home) {
        let Self::Amqp(bind) = self;
        bind.handle_moved(home);
    }

    pub(crate) fn handle_deadline(&mut self, home: &mut Home) {
        let Self::Amqp(bind) = self;
        bind.handle_deadline(home);
    }

    /// When it is to be looked at even if nothing happens, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        let Self::Amqp(bind) = self;
        bind.deadline()
    }

    pub(crate) fn close(&mut self, home: &mut Home, condition: Condition, why: &str) {
        let Self::Amqp(bind) = self;
        bind.close(home, condition, why);
    }

    /// Its connection was lost, and with it what links it still had.
    pub(crate) fn lose_links(&mut self, home: &mut Home) {
        let Self::Amqp(bind) = self;
        bind.drop_links(home, DetachMode::Lost);
    }

    /// Fills its output, and gives it to be written.
    pub fn poll_output(&mut self, now_ns: u64) -> &mut Out {
        let Self::Amqp(bind) = self;
        bind.poll_output(now_ns)
    }

    /// Its output as it is.
    pub fn out(&mut self) -> &mut Out {
        let Self::Amqp(bind) = self;
        bind.out()
    }

    pub(crate) fn handle_written(&mut self, home: &mut Home, below: usize) -> Written {
        let Self::Amqp(bind) = self;
        bind.handle_written(home, below)
    }

    /// Octets of its output that wait.
    pub fn waiting(&self) -> usize {
        let Self::Amqp(bind) = self;
        bind.waiting()
    }

    /// Whether it has more output than was asked for.
    pub fn wants_room(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.wants_room()
    }

    /// Whether more input would only be kept.
    pub fn is_waiting(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.is_waiting()
    }

    /// Whether both ends have opened it.
    pub fn is_opened(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.is_opened()
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.machine().is_open()
    }

    /// Whether nothing more will come of it.
    pub fn is_closed(&self) -> bool {
        let Self::Amqp(bind) = self;
        bind.is_closed()
    }
}
