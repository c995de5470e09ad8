//! Runs the program of a selector over a message.
//!
//! Guarantees: no allocation; at most one turn for each step. A name that is asked for several times in a row is looked up once, so that
//! long lists of alternatives for one property cost one look.

use crate::limits::DEPTH_MAX;
use crate::operand::{Comparison, Operand};
use crate::program::{Program, Range, Step};
use crate::view::{Located, View};

/// Operands that nearly all selectors need at most: a stack of these is cheaper to begin with.
const SHALLOW: usize = 6;

/// What has been computed and not used yet.
struct Stack<'a, const DEPTH: usize> {
    operands: [Operand<'a>; DEPTH],
    len: usize,
}

impl<'a, const DEPTH: usize> Stack<'a, DEPTH> {
    #[inline]
    fn push(&mut self, operand: Operand<'a>) {
        if let Some(place) = self.operands.get_mut(self.len) {
            *place = operand;
            self.len += 1;
        }
    }

    #[inline]
    fn push_condition(&mut self, condition: Option<bool>) {
        self.push(Operand::of_condition(condition));
    }

    /// Programs take only what they put; an empty stack would give NULL.
    #[inline]
    fn pop(&mut self) -> Operand<'a> {
        self.len = self.len.saturating_sub(1);
        self.operands.get(self.len).copied().unwrap_or(Operand::Null)
    }

    #[inline]
    fn top(&self) -> Option<bool> {
        let top = self.len.checked_sub(1).and_then(|top| self.operands.get(top));
        top.copied().unwrap_or(Operand::Null).condition()
    }
}

/// The value of a selector for a message: unknown is `None`.
#[inline]
pub(crate) fn evaluate(program: &Program, view: &View<'_>) -> Option<bool> {
    if program.depth <= SHALLOW { run::<SHALLOW>(program, view) } else { run::<DEPTH_MAX>(program, view) }
}

fn run<'a, const DEPTH: usize>(program: &'a Program, view: &'a View<'a>) -> Option<bool> {
    let mut stack = Stack { operands: [Operand::Null; DEPTH], len: 0 };
    let mut located = Located::new(view);
    let mut last = None;
    let mut next = 0;
    while let Some(step) = program.steps.get(next) {
        next += 1;
        match step {
            Step::Load(index) => {
                let known = last.filter(|(of, _)| of == index).map(|(_, value)| value);
                let value = known.unwrap_or_else(|| {
                    program.names.get(*index).map_or(Operand::Null, |named| located.value(&named.name))
                });
                last = Some((*index, value));
                stack.push(value);
            }
            Step::UnlessFalse(behind) if stack.top() == Some(false) => next = *behind,
            Step::UnlessTrue(behind) if stack.top() == Some(true) => next = *behind,
            step => take(step, &mut stack, program),
        }
    }
    stack.pop().condition()
}

/// Takes a step that needs nothing but the stack.
#[inline]
fn take<'a, const DEPTH: usize>(step: &'a Step, stack: &mut Stack<'a, DEPTH>, program: &Program) {
    let conversion = program.conversion;
    match step {
        Step::Literal(literal) => stack.push(literal.operand()),
        Step::Condition => {
            let value = stack.pop().condition();
            stack.push_condition(value);
        }
        Step::Not => {
            let value = stack.pop().condition();
            stack.push_condition(value.map(|value| !value));
        }
        Step::Negate => {
            let value = stack.pop();
            stack.push(value.negate(conversion));
        }
        Step::IsNull => {
            let value = stack.pop();
            stack.push(Operand::Boolean(value.is_null()));
        }
        Step::Like(pattern) => {
            let found = match stack.pop() {
                Operand::Null => None,
                Operand::Text(text) => Some(text.is_like(pattern)),
                _ => Some(false),
            };
            stack.push_condition(found);
        }
        Step::In(elements) => {
            let found = match stack.pop() {
                Operand::Text(text) => Some(text.is_in(elements)),
                _ => None,
            };
            stack.push_condition(found);
        }
        Step::Compare(comparison) => {
            let (right, left) = (stack.pop(), stack.pop());
            stack.push_condition(comparison.of(left, right, conversion));
        }
        Step::Compute(arithmetic) => {
            let (right, left) = (stack.pop(), stack.pop());
            stack.push(arithmetic.of(left, right, conversion));
        }
        Step::Between(range) => {
            let (upper, lower, value) = (stack.pop(), stack.pop(), stack.pop());
            let compare = |comparison: Comparison, end| comparison.of(value, end, conversion);
            stack.push_condition(match range {
                Range::Within => {
                    and(compare(Comparison::GreaterOrEqual, lower), compare(Comparison::LessOrEqual, upper))
                }
                Range::Outside => or(compare(Comparison::Less, lower), compare(Comparison::Greater, upper)),
            });
        }
        Step::And { .. } => {
            let (right, left) = (stack.pop(), stack.pop());
            stack.push_condition(and(left.condition(), right.condition()));
        }
        Step::Or => {
            let (right, left) = (stack.pop(), stack.pop());
            stack.push_condition(or(left.condition(), right.condition()));
        }
        // What is not decided goes on; names are looked up by whoever has the message.
        Step::UnlessFalse(_) | Step::UnlessTrue(_) | Step::Load(_) => {}
    }
}

/// JMS 3.8.1.2, the table of AND.
fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// JMS 3.8.1.2, the table of OR.
fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}
