//! What a message is beside its body: what a queue orders, groups and holds it back by, and what selectors ask for.

use engine_message::value::{Described, Map, Value};
use test_support::Chance;

/// Groups of a run.
const GROUPS: usize = 3;
/// Colours of messages.
const COLOURS: usize = 3;
/// How long a message waits at most before it may be given, milliseconds.
const DELAY_MS: u64 = 120;

/// What a message is beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// 0 to 9; 4 is normal.
    pub priority: u8,
    /// The group that it belongs to.
    pub group: Option<u8>,
    /// Its property `colour`.
    pub colour: Option<u8>,
    /// When it may be given at the earliest.
    pub due: Option<Due>,
}

/// When a message may be given at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At this time, milliseconds since 1970.
    At(u64),
    /// So many milliseconds after it has come.
    After(u64),
}

impl Default for Kind {
    fn default() -> Self {
        Self { priority: 4, group: None, colour: None, due: None }
    }
}

impl Kind {
    /// One of those that a run of such variety has, sent at `wall_ms`.
    pub fn draw(variety: Variety, chance: &mut Chance, wall_ms: u64) -> Self {
        if variety == Variety::Plain {
            return Self::default();
        }
        let priority = if chance.one_in(3) { chance.below(10) as u8 } else { 4 };
        let group = chance.one_in(4).then(|| chance.below(GROUPS) as u8);
        let colour = (!chance.one_in(4)).then(|| chance.below(COLOURS) as u8);
        let wait_ms = chance.between(1, DELAY_MS);
        let due = match chance.below(20) {
            0 => Some(Due::At(wall_ms + wait_ms)),
            1 => Some(Due::After(wait_ms)),
            _ => None,
        };
        Self { priority, group, colour, due }
    }

    /// When it may be given at the earliest if it was sent at `wall_ms`, milliseconds since 1970.
    pub fn due_ms(&self, wall_ms: u64) -> Option<u64> {
        self.due.map(|due| match due {
            Due::At(at_ms) => at_ms,
            Due::After(wait_ms) => wall_ms + wait_ms,
        })
    }
}

/// Whether messages of a run differ in more than their octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variety {
    /// They do not: each goes the short way.
    Plain,
    /// They have priorities, groups, colours and times.
    Rich,
}

/// What a consumer chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Everything.
    #[default]
    All,
    /// Messages of a colour: an index finds those.
    Colour(u8),
    /// Messages of another colour.
    NotColour(u8),
    /// Messages above a priority.
    Above(u8),
    /// Messages of a colour and above a priority.
    ColourAbove(u8, u8),
    /// Messages of no group.
    Ungrouped,
}

impl Choice {
    /// One of those that a run of such variety has: everything, mostly.
    pub fn draw(variety: Variety, chance: &mut Chance) -> Self {
        if variety == Variety::Plain || chance.one_in(2) {
            return Self::All;
        }
        let (colour, priority) = (chance.below(COLOURS) as u8, chance.between(3, 6) as u8);
        let choices = [
            Self::Colour(colour),
            Self::NotColour(colour),
            Self::Above(priority),
            Self::ColourAbove(colour, priority),
            Self::Ungrouped,
        ];
        chance.of(&choices)
    }

    /// Whether a message is among them; what is not there is neither equal nor unequal.
    pub fn wants(self, kind: &Kind) -> bool {
        match self {
            Self::All => true,
            Self::Colour(colour) => kind.colour == Some(colour),
            Self::NotColour(colour) => kind.colour.is_some_and(|other| other != colour),
            Self::Above(priority) => kind.priority > priority,
            Self::ColourAbove(colour, priority) => kind.colour == Some(colour) && kind.priority > priority,
            Self::Ungrouped => kind.group.is_none(),
        }
    }

    fn text(self) -> Option<String> {
        Some(match self {
            Self::All => return None,
            Self::Colour(colour) => format!("colour = 'c{colour}'"),
            Self::NotColour(colour) => format!("colour <> 'c{colour}'"),
            Self::Above(priority) => format!("JMSPriority > {priority}"),
            Self::ColourAbove(colour, priority) => format!("colour = 'c{colour}' AND JMSPriority > {priority}"),
            Self::Ungrouped => "JMSXGroupID IS NULL".to_owned(),
        })
    }

    /// The filters of a source that say so.
    pub fn filter(self) -> Map {
        let mut filter = Map::default();
        if let Some(text) = self.text() {
            let (descriptor, value) = (Value::Ulong(0x0000_468c_0000_0004), Value::String(text));
            filter.insert("chosen", Value::Described(Box::new(Described { descriptor, value })));
        }
        filter
    }
}
