//! The stage of a mobile address: producers enter at one, consumers take from one, and what lies between moves messages from one to the
//! next.

/// A phase: 0 to 9, or that of fallback consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(u8);

impl Phase {
    /// Where messages enter and leave if nothing else is said.
    pub const FIRST: Self = Self(0);
    /// Where messages go that nobody else takes: `F`. Its number is what that letter is behind `0`, as the annotation has it.
    pub const FALLBACK: Self = Self(b'F' - b'0');

    /// A numbered one, 0 to 9.
    #[must_use]
    pub fn number(number: u8) -> Option<Self> {
        (number <= 9).then_some(Self(number))
    }

    /// The one of an annotation: 0 to 9, or 22 for the fallback.
    #[must_use]
    pub fn of_annotation(number: u64) -> Option<Self> {
        let phase = u8::try_from(number).ok().map(Self)?;
        (phase.0 <= 9 || phase == Self::FALLBACK).then_some(phase)
    }

    /// As the annotation has it.
    #[must_use]
    pub fn annotation(self) -> u8 {
        self.0
    }

    /// The one of the letter that keys have.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Self> {
        match letter {
            'F' => Some(Self::FALLBACK),
            _ => letter.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).map(Self),
        }
    }

    /// The letter that keys have.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(b'0' + self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_annotations_say_the_same() {
        for number in 0..=255 {
            let phase = Phase::of_annotation(number);
            assert_eq!(phase.is_some(), number <= 9 || number == 22, "{number}");
            assert_eq!(phase.and_then(|phase| Phase::of_letter(phase.letter())), phase);
        }
        assert_eq!((Phase::FALLBACK.letter(), Phase::number(10), Phase::of_annotation(1 << 40)), ('F', None, None));
    }
}
