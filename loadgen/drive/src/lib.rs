//! The load itself: client connections over `engine/rt`, workers that keep to a schedule, and what coordinates and observes them.
#![forbid(unsafe_code)]
