//! One row of the table: an attribute, what it takes, and what is known of its history.

/// What an attribute's text is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes`, `true`, `on`; `no`, `false`, `off`; in any case.
    Switch,
    /// A decimal number within bounds.
    Integer {
        /// The least.
        least: i64,
        /// The largest.
        most: i64,
    },
    /// Any text.
    Text,
    /// Text that is kept out of logs and answers; `env:`, `file:` and `pass:` say where it comes from.
    Secret,
    /// The path of a file; relative ones are relative to the directory that the router was started in.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Words between blanks.
    Tokens,
    /// Texts between commas, or a list of them in JSON.
    Commas,
    /// Names with values of JSON.
    Map,
    /// Names with settings of groups of users.
    Groups,
    /// Values one after the other: what is told only, and no file has.
    List,
}

impl Kind {
    /// The largest number of qdrouterd's integers.
    pub const MOST: i64 = i32::MAX as i64;

    /// The type's name in qdrouterd's schema; of words, which are a list there, `None`.
    #[must_use]
    pub fn peer_type(self) -> Option<&'static str> {
        match self {
            Self::Switch => Some("boolean"),
            Self::Integer { .. } => Some("integer"),
            Self::Text | Self::Secret | Self::Tokens | Self::Commas => Some("string"),
            Self::Path => Some("path"),
            Self::Map | Self::Groups => Some("map"),
            Self::List => Some("list"),
            Self::Word(_) => None,
        }
    }

    /// What may be written, as the end of a sentence that begins with "it takes".
    #[must_use]
    pub fn takes(self) -> String {
        match self {
            Self::Switch => "yes or no".to_owned(),
            Self::Integer { least, most: Self::MOST } => format!("a whole number from {least} on"),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::Tokens => "words with blanks between them".to_owned(),
            Self::Commas => "texts with commas between them".to_owned(),
            Self::Map => "a map in JSON".to_owned(),
            Self::Groups => "a map of groups".to_owned(),
            Self::List => "a list".to_owned(),
        }
    }
}

/// A value that the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// Of a switch.
    Switch(bool),
    /// Of an integer.
    Integer(i64),
    /// Of everything that is written as text.
    Text(&'static str),
}

/// Whether an attribute has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has to.
    Required,
    /// It may be absent, which means something by itself.
    Optional,
    /// This stands for it when it is absent.
    Preset(Constant),
}

/// Who sets an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Whoever makes the entity.
    Create,
    /// The same, and it may be changed later.
    Update,
    /// The router: it is told and not set.
    Told,
}

/// Whether a section or attribute is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Current,
    /// It is; this is what to write today.
    Deprecated(&'static str),
    /// It is read and does nothing; this is why.
    Ignored(&'static str),
    /// It is not, as what it asks for would not be there; this is what to do.
    Refused(&'static str),
}

/// How a former name's value relates to today's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sense {
    /// It is the same.
    Same,
    /// Yes is no.
    Opposite,
}

/// A former name of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// In camel case.
    pub name: &'static str,
    /// How its value relates to today's.
    pub sense: Sense,
}

/// An attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute {
    /// Its name today.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it has to be there.
    pub presence: Presence,
    /// Who sets it.
    pub access: Access,
    /// Whether it is taken.
    pub standing: Standing,
    /// Names that it had.
    pub former: &'static [Spelling],
    /// Words that it took, with those of today.
    pub former_words: &'static [(&'static str, &'static str)],
    /// What it is for, without a full stop.
    pub about: &'static str,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            presence: Presence::Optional,
            access: Access::Create,
            standing: Standing::Current,
            former: &[],
            former_words: &[],
            about,
        }
    }

    pub(super) const fn switch(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Switch, about)
    }

    /// A number from `least` on.
    pub(super) const fn integer(name: &'static str, least: i64, about: &'static str) -> Self {
        Self::new(name, Kind::Integer { least, most: Kind::MOST }, about)
    }

    pub(super) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    pub(super) const fn path(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Path, about)
    }

    pub(super) const fn word(name: &'static str, words: &'static [&'static str], about: &'static str) -> Self {
        Self::new(name, Kind::Word(words), about)
    }

    pub(super) const fn of(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self::new(name, kind, about)
    }

    /// With a largest number.
    pub(super) const fn at_most(mut self, most: i64) -> Self {
        if let Kind::Integer { least, .. } = self.kind {
            self.kind = Kind::Integer { least, most };
        }
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }

    pub(super) const fn preset(mut self, constant: Constant) -> Self {
        self.presence = Presence::Preset(constant);
        self
    }

    pub(super) const fn or_no(self) -> Self {
        self.preset(Constant::Switch(false))
    }

    pub(super) const fn or_yes(self) -> Self {
        self.preset(Constant::Switch(true))
    }

    pub(super) const fn or_number(self, number: i64) -> Self {
        self.preset(Constant::Integer(number))
    }

    pub(super) const fn or_text(self, text: &'static str) -> Self {
        self.preset(Constant::Text(text))
    }

    pub(super) const fn updated(mut self) -> Self {
        self.access = Access::Update;
        self
    }

    pub(super) const fn told(mut self) -> Self {
        self.access = Access::Told;
        self
    }

    pub(super) const fn ignored(mut self, why: &'static str) -> Self {
        self.standing = Standing::Ignored(why);
        self
    }

    pub(super) const fn deprecated(mut self, instead: &'static str) -> Self {
        self.standing = Standing::Deprecated(instead);
        self
    }

    pub(super) const fn refused(mut self, advice: &'static str) -> Self {
        self.standing = Standing::Refused(advice);
        self
    }

    pub(super) const fn formerly(mut self, former: &'static [Spelling]) -> Self {
        self.former = former;
        self
    }

    pub(super) const fn with_former_words(mut self, words: &'static [(&'static str, &'static str)]) -> Self {
        self.former_words = words;
        self
    }
}

/// A former name of the same sense.
pub(super) const fn same(name: &'static str) -> Spelling {
    Spelling { name, sense: Sense::Same }
}

/// A former name of the opposite sense.
pub(super) const fn opposite(name: &'static str) -> Spelling {
    Spelling { name, sense: Sense::Opposite }
}
