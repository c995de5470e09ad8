//! The real program, from outside: its commands, its listeners, its end.
//!
//! Ports come from the system, data lives in a temporary folder, and nothing waits for time to pass: tests wait for what the
//! program itself says (its ready file, its HTTP listener, the end of its process).

mod addresses;
mod bad_input;
mod broker;
mod command_line;
mod configuration;
mod connectors;
mod consuming;
mod containers;
mod credit;
mod data_cut;
mod data_tools;
mod declaring;
mod diverts;
mod documented;
mod duplicates;
mod durability;
mod expiry;
mod forwarding;
mod holding;
mod ingress;
mod kept_files;
mod large;
mod last_values;
mod lifetime;
mod limits;
mod links;
mod load;
mod load_jms;
mod managing;
mod moments;
mod names;
mod network;
mod observing;
mod open_values;
mod outcomes;
mod peer;
mod piped;
mod priorities;
mod relaying;
mod reload;
mod replaying;
mod resuming;
mod retention;
mod routing;
mod scheduling;
mod scraping;
mod selectors;
mod subscriptions;
mod suspending;
mod transactions;
mod transports;
mod unrouted;
mod wildcards;
