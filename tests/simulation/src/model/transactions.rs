//! Transactions: of each all is done or nothing.
//!
//! 1. Nothing comes of one that is open or was rolled back.
//! 2. What one that was committed sent is owed as if it had been sent without; what it accepted never comes again.
//! 3. Of one whose end nobody heard (its connection was lost behind the commit) the first thing that comes decides: a durable message that
//!    it sent shows that it was committed, one that it accepted and that comes again that it was not; then all the rest has to fit.
//!
//! What is settled within a transaction stays with its link, also when that ends; but whoever takes a subscription up again gets it, and
//! the transaction is rolled back at its commit.

use super::{Durable, Fate, Holder, Message, Model, Place};

/// Names a transaction of a run.
pub type Number = usize;

/// What a coordinator said of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is done.
    Committed,
    /// Nothing is.
    RolledBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Its commit was asked for.
    Asked,
    /// Nobody will ever hear of its commit.
    Unheard,
    Decided(Verdict),
}

/// What became of a delivery within a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    /// It was accepted.
    Accepted,
    /// It was given back.
    Returned,
}

/// A delivery that is settled within a transaction.
#[derive(Clone, Copy, Debug)]
struct Enlisted {
    message: Message,
    place: Place,
    settling: Settling,
    /// Whose it is until then.
    holder: Option<Holder>,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    state: State,
    /// Deliveries that it settles.
    settles: Vec<Enlisted>,
    /// What came of it so far, while its end is not known.
    shown: Option<Verdict>,
}

impl Model {
    /// A transaction begins.
    pub fn declared(&mut self) -> Number {
        self.transactions.push(Transaction { state: State::Open, settles: Vec::new(), shown: None });
        self.transactions.len() - 1
    }

    /// A consumer settled a copy within a transaction: it stays with it until that ends.
    pub(crate) fn enlisted(&mut self, number: Number, message: Message, place: Place, settling: Settling) {
        let holder = self.copy(message, place).holder;
        self.transaction(number).settles.push(Enlisted { message, place, settling, holder });
    }

    /// A link of a subscription ended: what it had settled within a transaction goes to whoever takes that up again.
    pub(super) fn loosen(&mut self, ended: Holder) {
        for number in 0..self.transactions.len() {
            if self.transaction(number).state == State::Open {
                let is_loose = |it: &Enlisted| matches!(it.place, Place::Subscription(_)) && it.holder == Some(ended);
                self.let_go(number, is_loose);
            }
        }
    }

    /// Deliveries that a transaction settles are with nobody: they come again only if it is rolled back.
    fn let_go(&mut self, number: Number, which: impl Fn(&Enlisted) -> bool) {
        for it in self.transaction(number).settles.clone() {
            let Enlisted { message, place, settling, holder } = it;
            let copy = self.copy(message, place);
            if which(&it) && copy.holder == holder {
                copy.holder = None;
                copy.failing.note();
                copy.bond = (settling == Settling::Accepted).then_some(number);
            }
        }
    }

    /// Whether all of a transaction is done.
    pub(super) fn is_committed(&self, number: Number) -> bool {
        self.transactions.get(number).is_some_and(|it| it.state == State::Decided(Verdict::Committed))
    }

    /// A commit is asked for: from now on all of it may be done, or undone.
    pub fn commit_asked(&mut self, number: Number) {
        let it = self.transaction(number);
        assert_eq!(it.state, State::Open, "it ends once");
        it.state = State::Asked;
        self.let_go(number, |_| true);
    }

    /// It is rolled back, by its client or because its connection is gone.
    pub fn rolled_back(&mut self, number: Number) {
        let it = self.transaction(number);
        assert_eq!(it.state, State::Open, "it ends once");
        it.state = State::Asked;
        self.let_go(number, |_| true);
        self.decide(number, Verdict::RolledBack);
    }

    /// The coordinator said what became of a commit.
    pub fn decided(&mut self, number: Number, verdict: Verdict) {
        let it = self.transaction(number);
        assert_eq!(it.state, State::Asked, "it is asked for once, and answered once");
        let shown = it.shown;
        assert!(
            shown.is_none_or(|shown| shown == verdict),
            "transaction {number} is {verdict:?}, and what came shows {shown:?}"
        );
        self.decide(number, verdict);
    }

    /// The connection of a transaction is gone.
    pub fn lost(&mut self, number: Number) {
        let it = self.transaction(number);
        match (it.state, it.shown) {
            (State::Open, _) => self.rolled_back(number),
            (State::Asked, Some(verdict)) => self.decide(number, verdict),
            (State::Asked, None) => it.state = State::Unheard,
            (State::Unheard | State::Decided(_), _) => {}
        }
    }

    fn decide(&mut self, number: Number, verdict: Verdict) {
        let it = self.transaction(number);
        it.state = State::Decided(verdict);
        for Enlisted { message, place, .. } in it.settles.clone() {
            let copy = self.copy(message, place);
            if copy.bond == Some(number) {
                copy.bond = None;
                if verdict == Verdict::Committed {
                    copy.fate = Fate::Done;
                }
            }
        }
        match verdict {
            Verdict::Committed => self.counts.committed += 1,
            Verdict::RolledBack => self.counts.rolled_back += 1,
        }
    }

    /// A message appears anywhere: if a transaction sent it, that is committed.
    pub(super) fn appear(&mut self, message: Message) {
        let sent = self.message(message);
        let (bond, durable) = (sent.bond, sent.durable);
        let Some(number) = bond else { return };
        let state = self.transaction(number).state;
        assert!(
            !matches!(state, State::Open | State::Decided(Verdict::RolledBack)),
            "message {message} is of transaction {number}, which is {state:?}"
        );
        // Others may have been there before the commit was on stable storage.
        if durable == Durable::Yes {
            self.show(number, Verdict::Committed);
        }
    }

    /// A copy comes again: a transaction that accepted it was rolled back.
    pub(super) fn undo(&mut self, message: Message, place: Place) {
        if let Some(number) = self.copy(message, place).bond.take() {
            self.show(number, Verdict::RolledBack);
        }
    }

    fn show(&mut self, number: Number, verdict: Verdict) {
        let it = self.transaction(number);
        let shown = *it.shown.get_or_insert(verdict);
        assert_eq!(shown, verdict, "transaction {number}: a part of it was done, and a part was not");
        if it.state == State::Unheard {
            self.decide(number, verdict);
        }
    }

    fn transaction(&mut self, number: Number) -> &mut Transaction {
        self.transactions.get_mut(number).expect("it began")
    }
}
