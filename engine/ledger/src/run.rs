//! Names of messages, and the numbers under which they lie: a run of them, in the queue's order.
//!
//! Guarantees: both are in order, and all names are of one kind, as all numbers are. A run whose messages were never written again
//! keeps one list for both.

use crate::names::Names;

/// Messages of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    names: Names,
    /// Where they lie under other numbers than their names (they were written again): these, in the same order.
    numbers: Option<Box<Names>>,
}

impl Run {
    /// A run of one message: its name and its number.
    pub fn one((name, number): (u64, u64)) -> Self {
        let numbers = (name != number).then(|| Box::new(Names::one(number)));
        Self { names: Names::one(name), numbers }
    }

    /// A run of messages that lie where their names say.
    pub fn of(names: Names) -> Self {
        Self { names, numbers: None }
    }

    /// What a checkpoint has of a run; `None` when there are not as many names as numbers.
    pub fn restore(names: Names, numbers: Option<Names>) -> Option<Self> {
        let fits = numbers.as_ref().is_none_or(|numbers| numbers.len() == names.len());
        fits.then(|| Self { names, numbers: numbers.map(Box::new) })
    }

    /// Their names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The numbers under which they lie.
    pub fn numbers(&self) -> &Names {
        self.numbers.as_deref().unwrap_or(&self.names)
    }

    /// The numbers, if they are others than the names.
    pub fn moved(&self) -> Option<&Names> {
        self.numbers.as_deref()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether all were taken out.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a message behind all others finds room.
    #[inline]
    pub fn takes(&self, (name, number): (u64, u64)) -> bool {
        self.names.takes(name) && self.numbers().takes(number)
    }

    /// Whether messages behind all others find room.
    pub fn takes_all(&self, others: &Self) -> bool {
        let all = |own: &Names, others: &Names| own.takes(others.first()) && own.takes(others.last());
        all(&self.names, &others.names) && all(self.numbers(), others.numbers())
    }

    /// Adds a message behind all others.
    #[inline]
    pub fn push(&mut self, (name, number): (u64, u64)) {
        if name != number && self.numbers.is_none() {
            self.numbers = Some(Box::new(self.names.clone()));
        }
        self.names.push(name);
        self.numbers.iter_mut().for_each(|numbers| numbers.push(number));
    }

    /// Adds messages behind all others that lie where their names say, as many as follow the last one without a gap; gives how many.
    pub fn extend(&mut self, names: std::ops::Range<u64>) -> u32 {
        if let (Names::Dense { from, count }, None) = (&mut self.names, &self.numbers)
            && *from + u64::from(*count) == names.start
        {
            let more = u32::try_from(names.end - names.start).unwrap_or(u32::MAX).min(u32::MAX - *count);
            *count += more;
            return more;
        }
        0
    }

    /// Names and numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.names.iter().zip(self.numbers().iter())
    }

    /// The number of a message.
    pub fn number_of(&self, name: u64) -> Option<u64> {
        let place = self.names.range(name, name);
        (!place.is_empty()).then(|| self.numbers().get(place.start))
    }

    /// Takes messages out by their names; gives each to `take`, with its number, and how many there were.
    pub fn remove(&mut self, first: u64, last: u64, mut take: impl FnMut(u64, u64)) -> u64 {
        let places = self.names.range(first, last);
        places.clone().for_each(|place| take(self.names.get(place), self.numbers().get(place)));
        let count = places.len();
        self.numbers.iter_mut().for_each(|numbers| numbers.remove(places.clone()));
        self.names.remove(places);
        count as u64
    }

    /// Keeps what comes before `name`, and gives the rest.
    pub fn split_off(&mut self, name: u64) -> Self {
        self.split_at(self.names.range(name, name).start)
    }

    /// Keeps what lies before `number`, and gives the rest.
    pub fn split_off_number(&mut self, number: u64) -> Self {
        self.split_at(self.numbers().range(number, number).start)
    }

    fn split_at(&mut self, place: usize) -> Self {
        let numbers = self.numbers.as_mut().map(|numbers| Box::new(numbers.split_off(place)));
        Self { names: self.names.split_off(place), numbers }
    }
}
